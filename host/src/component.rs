//! A component, ready to be instantiated.

use std::sync::Arc;

use wasmtime::component::{InstancePre, Linker};

use crate::grants::Grants;
use crate::guest::Guest;
use crate::manifest;
use crate::output::Output;
use crate::store::Store;
use crate::variables::Values;

/// A compiled component and its grants.
pub(crate) struct Component {
    pub(crate) id: String,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) grants: Arc<Grants>,
    /// The values of its own variables.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) environment: Vec<(String, String)>,
    /// The labels of the stores it may open.
    pub(crate) stores: Vec<String>,
    pub(crate) store: Store,
    pub(crate) output: Output,
}

impl Component {
    /// Links a compiled component.
    pub(crate) fn prepare(
        compiled: &wasmtime::component::Component,
        linker: &Linker<Guest>,
        declared: &manifest::Component,
        values: &Values,
        store: &Store,
        output: Output,
    ) -> anyhow::Result<Arc<Self>> {
        let fill = |template: &String| values.fill(template);
        let grants = declared
            .allowed_outbound_hosts
            .iter()
            .map(|template| Ok((template.as_str(), fill(template)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let variables = declared
            .variables
            .iter()
            .map(|(name, template)| Ok((name.clone(), fill(template)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let pre = linker.instantiate_pre(compiled).map_err(|error| anyhow::anyhow!("{error:#}"))?;
        Ok(Arc::new(Self {
            id: declared.id.clone(),
            pre,
            grants: Arc::new(Grants::parse(grants)?),
            variables,
            environment: declared.environment.clone().into_iter().collect(),
            stores: declared.key_value_stores.clone(),
            store: store.clone(),
            output,
        }))
    }

    /// The value of one of its variables.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
