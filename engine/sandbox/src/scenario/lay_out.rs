//! Writes a scenario into a new world, in the shapes that the services answer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::network::{Range, zone_id};
use super::{Scenario, Subnet, SubnetKind, Vpc};
use crate::aws::credentials::{self, AccessKey};
use crate::aws::{ec2, iam};
use crate::store::{State, Transaction};
use crate::world::{Context, ids};

const COLLECTION: &str = "sandbox";
const NAME: &str = "identity";

/// What a world is, kept in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) seed: String,
    /// The scenario it was laid out from.
    pub(crate) scenario: String,
    pub(crate) user: String,
    pub(crate) access_key_id: String,
}

/// The identity of a world that has one.
pub(crate) fn identity(state: &State) -> Option<Identity> {
    state.get_as(COLLECTION, NAME)
}

/// The same, inside a transaction.
pub(crate) fn identity_in(transaction: &Transaction<'_>) -> Option<Identity> {
    transaction.get_as(COLLECTION, NAME)
}

/// Writes everything that a new world holds.
pub(crate) fn lay_out(
    context: &Context,
    transaction: &mut Transaction<'_>,
    name: &str,
    scenario: &Scenario,
) -> Identity {
    let identity = Identity {
        account: context.account.clone(),
        region: context.region.clone(),
        seed: context.seed.clone(),
        scenario: name.to_owned(),
        user: scenario.user.name.clone(),
        access_key_id: scenario.user.access_key_id.clone(),
    };
    transaction.put_as(COLLECTION, NAME, &identity);
    let user = &scenario.user;
    let key = AccessKey {
        secret: user.secret_access_key.clone(),
        principal: format!("arn:aws:iam::{}:user/{}", context.account, user.name),
        user_id: ids::iam(context, "AIDA", &user.name),
        session: None,
    };
    credentials::put(transaction, &user.access_key_id, &key);
    iam::managed::lay_out(context, transaction);
    crate::billing::change(transaction, &scenario.billing);
    for (index, vpc) in scenario.vpcs.iter().enumerate() {
        Layout {
            context,
            transaction: &mut *transaction,
            vpc,
            mark: format!("{index}/{}", vpc.name),
        }
        .write();
    }
    identity
}

struct Layout<'a, 'b> {
    context: &'a Context,
    transaction: &'a mut Transaction<'b>,
    vpc: &'a Vpc,
    /// Tells VPCs of one name apart.
    mark: String,
}

impl Layout<'_, '_> {
    fn id(&self, prefix: &str, name: &str) -> String {
        ids::ec2(self.context, prefix, &format!("{}/{name}", self.mark))
    }

    fn write(&mut self) {
        let vpc = self.id("vpc", "");
        let gateway = self.id("igw", "");
        self.write_vpc(&vpc);
        self.write_security_group(&vpc);
        let document = json!({
            "internetGatewayId": gateway, "ownerId": self.context.account,
            "attachmentSet": [{"vpcId": vpc, "state": "available"}],
            "tags": {"Name": format!("{}-IGW", self.vpc.name)},
        });
        self.transaction.put(ec2::INTERNET_GATEWAYS, &gateway, document);
        self.write_routes(&vpc, "main", None, &[]);
        let nat = self.write_nat(&vpc);
        let subnets = self.vpc.subnets.clone();
        for subnet in &subnets {
            self.write_subnet(&vpc, subnet);
        }
        for (kind, name, target) in [
            (SubnetKind::Public, "public", Some(("gatewayId", gateway))),
            (SubnetKind::Private, "private", nat.map(|nat| ("natGatewayId", nat))),
            (SubnetKind::Isolated, "isolated", None),
        ] {
            let members: Vec<&Subnet> = subnets.iter().filter(|one| one.kind == kind).collect();
            if !members.is_empty() {
                self.write_routes(&vpc, name, target, &members);
            }
        }
    }

    fn write_vpc(&mut self, vpc: &str) {
        let document = json!({
            "vpcId": vpc, "ownerId": self.context.account, "state": "available",
            "cidrBlock": self.vpc.cidr, "dhcpOptionsId": self.id("dopt", ""),
            "instanceTenancy": "default", "isDefault": false,
            "cidrBlockAssociationSet": [{
                "cidrBlock": self.vpc.cidr, "associationId": self.id("vpc-cidr-assoc", ""),
                "cidrBlockState": {"state": "associated"},
            }],
            "tags": {"Name": self.vpc.name},
            "attributes": {
                "enableDnsSupport": self.vpc.dns_support,
                "enableDnsHostnames": self.vpc.dns_hostnames,
                "enableNetworkAddressUsageMetrics": false,
            },
        });
        self.transaction.put(ec2::VPCS, vpc, document);
    }

    fn write_security_group(&mut self, vpc: &str) {
        let group = self.id("sg", "default");
        let everything = |pairs: Value, ranges: Value| json!({"ipProtocol": "-1", "groups": pairs, "ipRanges": ranges, "ipv6Ranges": [], "prefixListIds": []});
        let own = json!([{"groupId": group, "userId": self.context.account}]);
        let document = json!({
            "groupId": group, "groupName": "default", "vpcId": vpc,
            "groupDescription": "default VPC security group", "ownerId": self.context.account,
            "ipPermissions": [everything(own, json!([]))],
            "ipPermissionsEgress": [everything(json!([]), json!([{"cidrIp": "0.0.0.0/0"}]))],
            "tags": {},
        });
        self.transaction.put(ec2::SECURITY_GROUPS, &group, document);
    }

    /// One NAT gateway, in the first public subnet; it leads the private ones out.
    fn write_nat(&mut self, vpc: &str) -> Option<String> {
        let wanted = self.vpc.subnets.iter().any(|one| one.kind == SubnetKind::Private);
        let public = self.vpc.subnets.iter().find(|one| one.kind == SubnetKind::Public)?;
        if !wanted {
            return None;
        }
        let nat = self.id("nat", "");
        let document = json!({
            "natGatewayId": nat, "vpcId": vpc, "subnetId": self.id("subnet", &public.name),
            "state": "available", "connectivityType": "public",
            "createTime": ec2::time(self.transaction.now()),
            "natGatewayAddressSet": [{
                "allocationId": self.id("eipalloc", ""), "publicIp": "203.0.113.10",
                "networkInterfaceId": self.id("eni", "nat"), "status": "succeeded", "isPrimary": true,
            }],
            "tags": {"Name": format!("{}-NAT", self.vpc.name)},
        });
        self.transaction.put(ec2::NAT_GATEWAYS, &nat, document);
        Some(nat)
    }

    fn write_subnet(&mut self, vpc: &str, subnet: &Subnet) {
        let id = self.id("subnet", &subnet.name);
        let Context { region, account, .. } = self.context;
        // Checked when the scenario was read.
        let free = Range::parse(&subnet.cidr).map_or(0, Range::usable);
        let document = json!({
            "subnetId": id, "subnetArn": format!("arn:aws:ec2:{region}:{account}:subnet/{id}"),
            "state": "available", "ownerId": account, "vpcId": vpc, "cidrBlock": subnet.cidr,
            "availableIpAddressCount": free,
            "availabilityZone": format!("{region}{}", subnet.zone),
            "availabilityZoneId": zone_id(region, subnet.zone),
            "defaultForAz": false, "mapPublicIpOnLaunch": subnet.kind == SubnetKind::Public,
            "assignIpv6AddressOnCreation": false, "ipv6CidrBlockAssociationSet": [],
            "mapCustomerOwnedIpOnLaunch": false, "enableDns64": false, "ipv6Native": false,
            "privateDnsNameOptionsOnLaunch": {
                "hostnameType": "ip-name", "enableResourceNameDnsARecord": false,
                "enableResourceNameDnsAAAARecord": false,
            },
            "tags": {"Name": subnet.name},
        });
        self.transaction.put(ec2::SUBNETS, &id, document);
    }

    /// The main table when there are no members, else one of theirs.
    fn write_routes(
        &mut self,
        vpc: &str,
        name: &str,
        target: Option<(&str, String)>,
        members: &[&Subnet],
    ) {
        let table = self.id("rtb", name);
        let mut routes = vec![json!({
            "destinationCidrBlock": self.vpc.cidr, "gatewayId": "local", "state": "active",
            "origin": "CreateRouteTable",
        })];
        if let Some((kind, id)) = target {
            let mut route = json!({
                "destinationCidrBlock": "0.0.0.0/0", "state": "active", "origin": "CreateRoute",
            });
            route[kind] = json!(id);
            routes.push(route);
        }
        let association = |key: &str| {
            json!({
                "routeTableAssociationId": self.id("rtbassoc", key), "routeTableId": table,
                "main": false, "associationState": {"state": "associated"},
            })
        };
        let associations: Vec<Value> = if members.is_empty() {
            let mut main = association("main");
            main["main"] = json!(true);
            vec![main]
        } else {
            let of = |subnet: &&Subnet| {
                let mut one = association(&subnet.name);
                one["subnetId"] = json!(self.id("subnet", &subnet.name));
                one
            };
            members.iter().map(of).collect()
        };
        let document = json!({
            "routeTableId": table, "vpcId": vpc, "ownerId": self.context.account,
            "routeSet": routes, "associationSet": associations, "propagatingVgwSet": [],
            "tags": {"Name": format!("{}-{name}", self.vpc.name)},
        });
        self.transaction.put(ec2::ROUTE_TABLES, &table, document);
    }
}
