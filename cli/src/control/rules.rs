//! A port's rules as documents, and as the words of a SPEC.

use std::fmt;

use serde::{Deserialize, Serialize};
use switch_core::config::PortRules;
use switch_core::vlan::{Allowed, Vid, VidSet, VlanMode};

/// A port's VLAN mode. Its text is the mode as a SPEC says it: `trunk=10+20-29,native=1`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VlanDoc {
    /// `transparent`, `access`, `trunk` or `tunnel`.
    pub mode: String,
    /// The VLAN of untagged frames; 0 on transparent ports.
    pub pvid: Option<u16>,
    /// The VLANs it carries.
    pub allowed: AllowedDoc,
    /// The tag it writes and recognises.
    pub tpid: String,
}

/// Some VLANs, or `"all"`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AllowedDoc {
    /// `"all"`.
    All(String),
    /// These.
    Only(Vec<u16>),
}

/// A port's flags.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FlagsDoc {
    /// Sources are learned on it.
    pub learning: bool,
    /// It takes unknown unicast.
    pub flood: bool,
    /// It takes multicast.
    pub mcast_flood: bool,
    /// It takes broadcast.
    pub bcast_flood: bool,
    /// It exchanges nothing with other isolated ports.
    pub isolated: bool,
    /// The most addresses learned on it; 0 is no limit.
    pub mac_limit: u32,
}

impl From<&VlanMode> for VlanDoc {
    fn from(mode: &VlanMode) -> VlanDoc {
        let only = |set: &VidSet| AllowedDoc::Only(set.iter().map(Vid::get).collect());
        let (name, allowed) = match mode {
            VlanMode::Transparent => ("transparent", AllowedDoc::All("all".into())),
            VlanMode::Access(vid) => ("access", AllowedDoc::Only(vec![vid.get()])),
            VlanMode::Tunnel(vid) => ("tunnel", AllowedDoc::Only(vec![vid.get()])),
            VlanMode::Trunk { allowed: Allowed::All, .. } => {
                ("trunk", AllowedDoc::All("all".into()))
            }
            VlanMode::Trunk { allowed: Allowed::Only(set), native, .. } => {
                let with_native = set.iter().chain(*native).collect();
                ("trunk", only(&with_native))
            }
        };
        VlanDoc {
            mode: name.into(),
            pvid: mode.pvid().map(Vid::get),
            allowed,
            tpid: mode.tpid().to_string(),
        }
    }
}

impl fmt::Display for VlanDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let native = self.pvid.filter(|_| self.mode != "transparent");
        f.write_str(&self.mode)?;
        if self.mode != "trunk" {
            return native.map_or(Ok(()), |pvid| write!(f, "={pvid}"));
        }
        if let AllowedDoc::Only(vids) = &self.allowed {
            let vids: VidSet = vids.iter().copied().filter_map(Vid::new).collect();
            write!(f, "={vids}")?;
        }
        native.map_or(Ok(()), |native| write!(f, ",native={native}"))?;
        match self.tpid.as_str() {
            "0x8100" => Ok(()),
            tpid => write!(f, ",tpid={tpid}"),
        }
    }
}

impl From<&PortRules> for FlagsDoc {
    fn from(rules: &PortRules) -> FlagsDoc {
        FlagsDoc {
            learning: rules.learning,
            flood: rules.flood,
            mcast_flood: rules.mcast_flood,
            bcast_flood: rules.bcast_flood,
            isolated: rules.isolated,
            mac_limit: rules.mac_limit,
        }
    }
}

impl FlagsDoc {
    /// Each flag with its value, as a SPEC says it.
    pub fn words(&self) -> [(&'static str, String); 6] {
        let on_off = |on: bool| if on { "on" } else { "off" }.to_owned();
        [
            ("learning", on_off(self.learning)),
            ("flood", on_off(self.flood)),
            ("mcast-flood", on_off(self.mcast_flood)),
            ("bcast-flood", on_off(self.bcast_flood)),
            ("isolated", on_off(self.isolated)),
            ("mac-limit", self.mac_limit.to_string()),
        ]
    }

    /// The flags that are not as they are by default, as a SPEC says them.
    pub fn unusual(&self) -> Vec<String> {
        let usual = FlagsDoc::from(&PortRules::default()).words();
        let differ = self.words().into_iter().zip(usual).filter(|(own, usual)| own != usual);
        differ
            .map(|((name, value), _)| match (name, value.as_str()) {
                ("isolated", "on") => name.to_owned(),
                _ => format!("{name}={value}"),
            })
            .collect()
    }
}
