//! `spin:variables/variables`: translation only.

use wasmtime::component::{Accessor, HasSelf};

use super::Guest;
use super::bindings::spin::variables::variables::{Error, Host, HostWithStore};

impl Host for Guest {}

impl<T: Send> HostWithStore<T> for HasSelf<Guest> {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, Error> {
        crate::variables::check_name(&name).map_err(Error::InvalidName)?;
        accessor.with(|mut access| {
            let component = &access.get().component;
            let value = component.variable(&name).map(str::to_owned);
            value.ok_or_else(|| Error::Undefined(format!("no variable for {:?}.{name:?}", component.id)))
        })
    }
}
