//! EC2: the network that a cluster stands in, tags, and instances. The network is only read.

use aws_sdk_ec2::types::{Filter as SdkFilter, Tag, VpcAttributeName};

use super::Tags;
use super::call::Calls;
use crate::error::{Error, Outcome};

/// Calls EC2.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_ec2::Client,
    calls: Calls,
}

/// A condition of a search: a name of EC2's (`vpc-id`, `tag:Name`, `tag-key`) and the values that
/// pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// EC2's name.
    pub name: String,
    /// Any of them passes.
    pub values: Vec<String>,
}

impl Filter {
    /// A condition with one value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), values: vec![value.into()] }
    }

    /// A condition with several values.
    pub fn any<I, V>(name: impl Into<String>, values: I) -> Self
    where
        I: IntoIterator<Item = V>,
        V: Into<String>,
    {
        Self { name: name.into(), values: values.into_iter().map(Into::into).collect() }
    }
}

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// Its id.
    pub id: String,
    /// Its primary network.
    pub cidr: String,
    /// `pending` or `available`.
    pub state: String,
    /// Whether it is the region's default.
    pub is_default: bool,
    /// Its tags.
    pub tags: Tags,
}

/// A VPC's DNS attributes. Fargate needs both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VpcDns {
    /// `enableDnsSupport`.
    pub support: bool,
    /// `enableDnsHostnames`.
    pub hostnames: bool,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Its zone, for example `ap-northeast-2a`.
    pub zone: String,
    /// Its zone's id, for example `apne2-az1`.
    pub zone_id: String,
    /// Its network.
    pub cidr: String,
    /// `pending` or `available`.
    pub state: String,
    /// Free addresses.
    pub available_addresses: i32,
    /// Whether what starts in it gets a public address.
    pub maps_public_addresses: bool,
    /// Its tags.
    pub tags: Tags,
}

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTable {
    /// Its id.
    pub id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Whether it holds for all subnets without one of their own.
    pub is_main: bool,
    /// The subnets that it is associated with.
    pub subnet_ids: Vec<String>,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Its tags.
    pub tags: Tags,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to: a network or a prefix list.
    pub destination: String,
    /// Through what.
    pub target: RouteTarget,
    /// Whether it works; a route whose target is gone is a black hole.
    pub is_active: bool,
}

/// What a route leads through, with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// The VPC itself.
    Local,
    /// An internet gateway.
    InternetGateway(String),
    /// An internet gateway for outgoing IPv6.
    EgressOnlyInternetGateway(String),
    /// A NAT gateway.
    NatGateway(String),
    /// A transit gateway.
    TransitGateway(String),
    /// A VPC endpoint of the gateway kind.
    VpcEndpoint(String),
    /// A virtual private gateway.
    VpnGateway(String),
    /// A network interface, of a NAT instance for example.
    NetworkInterface(String),
    /// A peered VPC.
    PeeringConnection(String),
    /// Something else: local, carrier or core network gateways.
    Other(String),
}

/// A NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatGateway {
    /// Its id.
    pub id: String,
    /// The subnet it stands in.
    pub subnet_id: Option<String>,
    /// `pending`, `failed`, `available`, `deleting`, `deleted`.
    pub state: String,
}

/// A VPC endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpcEndpoint {
    /// Its id.
    pub id: String,
    /// The service, for example `com.amazonaws.ap-northeast-2.ecr.api`.
    pub service: String,
    /// `Interface` or `Gateway`.
    pub kind: String,
    /// `available`, …
    pub state: String,
    /// The subnets it stands in.
    pub subnet_ids: Vec<String>,
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its VPC.
    pub vpc_id: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its type, for example `c6g.large`.
    pub instance_type: String,
    /// `pending`, `running`, `shutting-down`, `terminated`, `stopping`, `stopped`.
    pub state: String,
    /// Its zone.
    pub zone: String,
    /// Whether it is a spot instance.
    pub is_spot: bool,
    /// Its name in the VPC.
    pub private_dns_name: String,
    /// When it was started.
    pub launched_at: Option<jiff::Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its id.
    pub id: String,
    /// How large it is.
    pub size_gib: i64,
    /// `gp3`, `io2`, …
    pub volume_type: String,
    /// The instances it is attached to, and whether it is deleted with them.
    pub attachments: Vec<(String, bool)>,
}

impl Volume {
    /// Whether it is attached to that instance and is deleted with it, as root volumes are and those of
    /// claims are not.
    pub fn ends_with(&self, instance_id: &str) -> bool {
        self.attachments.iter().any(|(id, ends)| *ends && id == instance_id)
    }
}

/// One page of a description: the request with its token, what to take from the answer.
macro_rules! all_pages {
    ($self:ident, $name:literal, $filters:expr, $method:ident, $items:ident) => {{
        let mut items = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = $self
                .calls
                .read($name, || {
                    $self
                        .sdk
                        .$method()
                        .set_filters(sdk_filters($filters))
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            items.extend(page.$items.unwrap_or_default());
            match page.next_token {
                Some(next) if !next.is_empty() => token = Some(next),
                _ => break,
            }
        }
        items
    }};
}

impl Client {
    pub(super) fn new(sdk: aws_sdk_ec2::Client, calls: Calls) -> Self {
        Self { sdk, calls }
    }

    /// The VPCs that pass all filters.
    pub async fn vpcs(&self, filters: &[Filter]) -> Result<Vec<Vpc>, Error> {
        let vpcs = all_pages!(self, "DescribeVpcs", filters, describe_vpcs, vpcs);
        Ok(vpcs
            .into_iter()
            .map(|vpc| Vpc {
                id: vpc.vpc_id.unwrap_or_default(),
                cidr: vpc.cidr_block.unwrap_or_default(),
                state: text(vpc.state.as_ref().map(aws_sdk_ec2::types::VpcState::as_str)),
                is_default: vpc.is_default.unwrap_or_default(),
                tags: plain_tags(vpc.tags),
            })
            .collect())
    }

    /// The DNS attributes of a VPC.
    pub async fn vpc_dns(&self, vpc_id: &str) -> Result<VpcDns, Error> {
        const NAME: &str = "DescribeVpcAttribute";
        let attribute = async |attribute: VpcAttributeName| {
            self.calls
                .read(NAME, || {
                    self.sdk
                        .describe_vpc_attribute()
                        .vpc_id(vpc_id)
                        .attribute(attribute.clone())
                        .send()
                })
                .await
        };
        let support = attribute(VpcAttributeName::EnableDnsSupport).await?;
        let hostnames = attribute(VpcAttributeName::EnableDnsHostnames).await?;
        let missing = |field: &str| self.calls.incomplete(NAME, field);
        Ok(VpcDns {
            support: support
                .enable_dns_support
                .and_then(|it| it.value)
                .ok_or_else(|| missing("enableDnsSupport"))?,
            hostnames: hostnames
                .enable_dns_hostnames
                .and_then(|it| it.value)
                .ok_or_else(|| missing("enableDnsHostnames"))?,
        })
    }

    /// The subnets that pass all filters.
    pub async fn subnets(&self, filters: &[Filter]) -> Result<Vec<Subnet>, Error> {
        let subnets = all_pages!(self, "DescribeSubnets", filters, describe_subnets, subnets);
        Ok(subnets
            .into_iter()
            .map(|subnet| Subnet {
                id: subnet.subnet_id.unwrap_or_default(),
                vpc_id: subnet.vpc_id.unwrap_or_default(),
                zone: subnet.availability_zone.unwrap_or_default(),
                zone_id: subnet.availability_zone_id.unwrap_or_default(),
                cidr: subnet.cidr_block.unwrap_or_default(),
                state: text(subnet.state.as_ref().map(aws_sdk_ec2::types::SubnetState::as_str)),
                available_addresses: subnet.available_ip_address_count.unwrap_or_default(),
                maps_public_addresses: subnet.map_public_ip_on_launch.unwrap_or_default(),
                tags: plain_tags(subnet.tags),
            })
            .collect())
    }

    /// The route tables that pass all filters.
    pub async fn route_tables(&self, filters: &[Filter]) -> Result<Vec<RouteTable>, Error> {
        let tables =
            all_pages!(self, "DescribeRouteTables", filters, describe_route_tables, route_tables);
        Ok(tables.into_iter().map(route_table).collect())
    }

    /// The NAT gateways that pass all filters.
    pub async fn nat_gateways(&self, filters: &[Filter]) -> Result<Vec<NatGateway>, Error> {
        let mut gateways = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .read("DescribeNatGateways", || {
                    self.sdk
                        .describe_nat_gateways()
                        .set_filter(sdk_filters(filters))
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            gateways.extend(page.nat_gateways.unwrap_or_default().into_iter().map(|gateway| {
                let state = gateway.state.as_ref();
                NatGateway {
                    state: text(state.map(aws_sdk_ec2::types::NatGatewayState::as_str)),
                    id: gateway.nat_gateway_id.unwrap_or_default(),
                    subnet_id: gateway.subnet_id,
                }
            }));
            match page.next_token {
                Some(next) if !next.is_empty() => token = Some(next),
                _ => return Ok(gateways),
            }
        }
    }

    /// The VPC endpoints that pass all filters.
    pub async fn vpc_endpoints(&self, filters: &[Filter]) -> Result<Vec<VpcEndpoint>, Error> {
        let endpoints = all_pages!(
            self,
            "DescribeVpcEndpoints",
            filters,
            describe_vpc_endpoints,
            vpc_endpoints
        );
        Ok(endpoints
            .into_iter()
            .map(|endpoint| {
                let kind = endpoint.vpc_endpoint_type.as_ref();
                let state = endpoint.state.as_ref();
                VpcEndpoint {
                    kind: text(kind.map(aws_sdk_ec2::types::VpcEndpointType::as_str)),
                    state: text(state.map(aws_sdk_ec2::types::State::as_str)),
                    id: endpoint.vpc_endpoint_id.unwrap_or_default(),
                    service: endpoint.service_name.unwrap_or_default(),
                    subnet_ids: endpoint.subnet_ids.unwrap_or_default(),
                }
            })
            .collect())
    }

    /// The security groups that pass all filters.
    pub async fn security_groups(&self, filters: &[Filter]) -> Result<Vec<SecurityGroup>, Error> {
        let groups = all_pages!(
            self,
            "DescribeSecurityGroups",
            filters,
            describe_security_groups,
            security_groups
        );
        Ok(groups
            .into_iter()
            .map(|group| SecurityGroup {
                id: group.group_id.unwrap_or_default(),
                name: group.group_name.unwrap_or_default(),
                vpc_id: group.vpc_id,
                tags: plain_tags(group.tags),
            })
            .collect())
    }

    /// The instances that pass all filters, terminated ones too.
    pub async fn instances(&self, filters: &[Filter]) -> Result<Vec<Instance>, Error> {
        let reservations =
            all_pages!(self, "DescribeInstances", filters, describe_instances, reservations);
        Ok(reservations
            .into_iter()
            .flat_map(|reservation| reservation.instances.unwrap_or_default())
            .map(instance)
            .collect())
    }

    /// The names of the region's zones.
    pub async fn availability_zones(&self) -> Result<Vec<String>, Error> {
        let output = self
            .calls
            .read("DescribeAvailabilityZones", || self.sdk.describe_availability_zones().send())
            .await?;
        let zones = output.availability_zones.unwrap_or_default();
        Ok(zones.into_iter().filter_map(|zone| zone.zone_name).collect())
    }

    /// The volumes that pass all filters.
    pub async fn volumes(&self, filters: &[Filter]) -> Result<Vec<Volume>, Error> {
        let volumes = all_pages!(self, "DescribeVolumes", filters, describe_volumes, volumes);
        Ok(volumes.into_iter().map(volume).collect())
    }

    /// Sets tags on several things at once.
    pub async fn create_tags(&self, resource_ids: &[String], tags: &Tags) -> Outcome<()> {
        self.calls
            .write_once("CreateTags", || {
                let tags =
                    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
                self.sdk
                    .create_tags()
                    .set_resources(Some(resource_ids.to_vec()))
                    .set_tags(Some(tags.collect()))
                    .send()
            })
            .await
            .map(drop)
    }

    /// Removes tags from several things at once. A tag with another value than the given one
    /// stays.
    pub async fn delete_tags(&self, resource_ids: &[String], tags: &Tags) -> Outcome<()> {
        self.calls
            .write_once("DeleteTags", || {
                let tags =
                    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
                self.sdk
                    .delete_tags()
                    .set_resources(Some(resource_ids.to_vec()))
                    .set_tags(Some(tags.collect()))
                    .send()
            })
            .await
            .map(drop)
    }
}

fn sdk_filters(filters: &[Filter]) -> Option<Vec<SdkFilter>> {
    let built = filters.iter().map(|filter| {
        SdkFilter::builder().name(&filter.name).set_values(Some(filter.values.clone())).build()
    });
    (!filters.is_empty()).then(|| built.collect())
}

fn route_table(table: aws_sdk_ec2::types::RouteTable) -> RouteTable {
    let associations = table.associations.unwrap_or_default();
    RouteTable {
        id: table.route_table_id.unwrap_or_default(),
        vpc_id: table.vpc_id.unwrap_or_default(),
        is_main: associations.iter().any(|one| one.main.unwrap_or_default()),
        subnet_ids: associations.into_iter().filter_map(|one| one.subnet_id).collect(),
        routes: table.routes.unwrap_or_default().into_iter().map(route).collect(),
        tags: plain_tags(table.tags),
    }
}

fn route(route: aws_sdk_ec2::types::Route) -> Route {
    let is_active = route.state.as_ref().is_none_or(|state| state.as_str() == "active");
    let destination = route
        .destination_cidr_block
        .clone()
        .or_else(|| route.destination_ipv6_cidr_block.clone())
        .or_else(|| route.destination_prefix_list_id.clone())
        .unwrap_or_default();
    Route { destination, target: route_target(route), is_active }
}

fn route_target(route: aws_sdk_ec2::types::Route) -> RouteTarget {
    if let Some(id) = route.nat_gateway_id {
        RouteTarget::NatGateway(id)
    } else if let Some(id) = route.transit_gateway_id {
        RouteTarget::TransitGateway(id)
    } else if let Some(id) = route.egress_only_internet_gateway_id {
        RouteTarget::EgressOnlyInternetGateway(id)
    } else if let Some(id) = route.vpc_peering_connection_id {
        RouteTarget::PeeringConnection(id)
    } else if let Some(id) = route.network_interface_id {
        RouteTarget::NetworkInterface(id)
    } else if let Some(id) = route.gateway_id {
        match id.split('-').next() {
            Some("local") => RouteTarget::Local,
            Some("igw") => RouteTarget::InternetGateway(id),
            Some("vpce") => RouteTarget::VpcEndpoint(id),
            Some("vgw") => RouteTarget::VpnGateway(id),
            _ => RouteTarget::Other(id),
        }
    } else {
        let other = route.core_network_arn.or(route.carrier_gateway_id).or(route.local_gateway_id);
        RouteTarget::Other(other.unwrap_or_default())
    }
}

fn instance(instance: aws_sdk_ec2::types::Instance) -> Instance {
    let state = instance.state.as_ref().and_then(|state| state.name.as_ref());
    let kind = instance.instance_type.as_ref();
    Instance {
        state: text(state.map(aws_sdk_ec2::types::InstanceStateName::as_str)),
        instance_type: text(kind.map(aws_sdk_ec2::types::InstanceType::as_str)),
        zone: instance
            .placement
            .and_then(|placement| placement.availability_zone)
            .unwrap_or_default(),
        is_spot: instance.instance_lifecycle.is_some_and(|it| it.as_str() == "spot"),
        id: instance.instance_id.unwrap_or_default(),
        private_dns_name: instance.private_dns_name.unwrap_or_default(),
        launched_at: super::timestamp(instance.launch_time.as_ref()),
        tags: plain_tags(instance.tags),
    }
}

fn volume(volume: aws_sdk_ec2::types::Volume) -> Volume {
    let kind = volume.volume_type.as_ref();
    Volume {
        volume_type: text(kind.map(aws_sdk_ec2::types::VolumeType::as_str)),
        size_gib: volume.size.map_or(0, i64::from),
        attachments: volume
            .attachments
            .unwrap_or_default()
            .into_iter()
            .filter_map(|one| {
                Some((one.instance_id?, one.delete_on_termination.unwrap_or_default()))
            })
            .collect(),
        id: volume.volume_id.unwrap_or_default(),
    }
}

fn plain_tags(tags: Option<Vec<Tag>>) -> Tags {
    tags.unwrap_or_default()
        .into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
        .collect()
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}
