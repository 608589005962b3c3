//! Writes pages of answers: for looking at them.
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let v: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&a[2]).unwrap()).unwrap();
    let p = if a[1] == "compare" {
        runbook_showback::render::compare(&v)
    } else {
        runbook_showback::render::autoscalers(&v)
    };
    match p {
        Ok(p) => {
            std::fs::write(&a[3], p.html()).unwrap();
            std::fs::write(format!("{}.md", a[3]), p.markdown()).unwrap()
        }
        Err(e) => println!("{e}"),
    }
}
