//! The description of this component's routes. Its screens are no part of the API.

use schemars::json_schema;
use state::edge::describe::*;

/// The API of this component.
pub fn describe() -> Description {
    Description { routes: crate::routes(), operations: operations(), examples: "{}" }
}

fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET", "/openapi.json", "showDescription", Tag::Operations, "This description")
            .timeout(None)
            .gives_media(
                200,
                "This description.",
                &[("application/json", |_| {
                    let properties = serde_json::json!({"openapi": {"const": "3.1.0"}, "paths": {"type": "object"}});
                    json_schema!({"type": "object", "required": ["openapi", "paths"], "properties": properties})
                })],
            )
            .probe("probeDescription"),
    ]
}
