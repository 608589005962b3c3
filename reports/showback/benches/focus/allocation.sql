-- The group-by of an allocation, as an engine for tables does it: what each team's pods cost by namespace
-- and day, vCPU to GiB as 9:1. No DaemonSets, overhead, idle, Fargate or over-commitment, and in binary
-- numbers; `runbook` does all of those, exactly. Run in the folder that the benchmark has written.
WITH days AS (
  SELECT 1790812800 + 86400 * number AS start, 1790812800 + 86400 * (number + 1) AS stop
  FROM range(31) AS numbers(number)
)
SELECT
  days.start,
  stays.owner,
  stays.namespace,
  sum(
    (least(stays.stop, days.stop) - greatest(stays.start, days.start)) * nodes.dollars_per_hour / 3600.0
    * (9 * stays.millicores / 1000.0 + stays.bytes / 1073741824.0)
    / (9 * nodes.millicores / 1000.0 + nodes.bytes / 1073741824.0)
  ) AS cost
FROM 'stays.parquet' AS stays
JOIN 'nodes.parquet' AS nodes USING (node)
JOIN days ON stays.start < days.stop AND stays.stop > days.start
GROUP BY ALL;
