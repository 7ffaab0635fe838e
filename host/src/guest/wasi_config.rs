//! `wasi:config/store`: the component's variables under another name. Translation only.

use super::Guest;
use super::bindings::wasi::config::store::{Error, Host};

impl Host for Guest {
    async fn get(&mut self, key: String) -> Result<Option<String>, Error> {
        Ok(self.component.variable(&key).map(str::to_owned))
    }

    async fn get_all(&mut self) -> Result<Vec<(String, String)>, Error> {
        Ok(self.component.variables.clone())
    }
}
