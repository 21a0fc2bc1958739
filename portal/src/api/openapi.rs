//! The API's document (OpenAPI 3.1), made from the table of addresses and the types of their handlers.

use axum::http::Method;
use schemars::generate::SchemaSettings;
use schemars::SchemaGenerator;
use serde_json::{json, Map, Value};

use super::{Json, Problem, Viewer, PROBLEM, SESSION_COOKIE};
use crate::route::{Body, Operation, Route, Who};
use crate::routes::routes;

/// `GET /api/v1/openapi.json`.
pub async fn show(_: Viewer) -> Json<Map<String, Value>> {
    Json(document())
}

/// The document.
pub fn document() -> Map<String, Value> {
    // what is taken may leave fields out that an answer always has
    let mut taken = generator(SchemaSettings::for_deserialize);
    let mut given = generator(SchemaSettings::for_serialize);
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let Some(operation) = route.operation else { continue };
        let described = operation_of(&route, &operation, &mut taken, &mut given);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = described;
    }
    let problem = given.subschema_for::<Problem>();
    let mut schemas = taken.take_definitions(true);
    schemas.extend(given.take_definitions(true));
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Eyot portal",
            "version": "1",
            "description": "Everything the pages do, for programs. Errors are problem details (RFC 9457). Times are UTC.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": { "description": "Refused", "content": { PROBLEM: { "schema": problem } } }
            },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "an API token" },
                "session": { "type": "apiKey", "in": "cookie", "name": SESSION_COOKIE }
            }
        }
    });
    match document {
        Value::Object(document) => document,
        _ => Map::new(),
    }
}

fn generator(contract: fn(SchemaSettings) -> SchemaSettings) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.definitions_path = "/components/schemas".into();
        s.meta_schema = None;
    });
    contract(settings).into_generator()
}

fn operation_of(
    route: &Route,
    operation: &Operation,
    taken: &mut SchemaGenerator,
    given: &mut SchemaGenerator,
) -> Value {
    let refused = json!({ "$ref": "#/components/responses/Problem" });
    let mut success = json!({ "description": "Done" });
    if let Some(answer) = operation.answer {
        success["content"] = json!({ "application/json": { "schema": answer(given) } });
    }
    let mut responses = Map::new();
    responses.insert(operation.success.as_u16().to_string(), success);
    for status in ["401", "403", "4XX", "5XX"] {
        responses.insert(status.to_owned(), refused.clone());
    }
    let mut described = json!({
        "operationId": name_of(&route.method, route.path),
        "tags": [route.path.split('/').nth(3).unwrap_or_default()],
        "summary": operation.summary,
        "description": format!("For {}.", route.who.name()),
        "security": security(route.who),
        "responses": responses
    });
    let mut parameters: Vec<Value> = places(route.path).map(path_parameter).collect();
    if let Some(query) = operation.query {
        let schema = query(taken).to_value();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            parameters.push(json!({ "name": name, "in": "query", "required": false, "schema": property }));
        }
    }
    if !parameters.is_empty() {
        described["parameters"] = json!(parameters);
    }
    match operation.body {
        Body::None => {}
        Body::Json { schema, required } => {
            let content = json!({ "application/json": { "schema": schema(taken) } });
            described["requestBody"] = json!({ "required": required, "content": content });
        }
        Body::Bytes => {
            let content =
                json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } });
            described["requestBody"] = json!({ "required": true, "content": content });
        }
        Body::Form { schema } => {
            let content = json!({ "multipart/form-data": { "schema": schema(taken) } });
            described["requestBody"] = json!({ "required": true, "content": content });
        }
        Body::Text => {
            let content = json!({ "text/plain": { "schema": { "type": "string" } } });
            described["requestBody"] = json!({ "required": true, "content": content });
        }
    }
    described
}

fn security(who: Who) -> Value {
    match who {
        Who::Person => json!([{ "session": [] }]),
        _ => json!([{ "token": [] }, { "session": [] }]),
    }
}

/// The variable parts of an address.
fn places(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    let schema = match name {
        "id" => json!({ "type": "string", "format": "uuid" }),
        _ => json!({ "type": "string", "minLength": 1 }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn name_of(method: &Method, path: &str) -> String {
    let parts = path.split('/').skip(3).map(|part| part.trim_matches(['{', '}']).replace(['-', '.'], "_"));
    let words: Vec<_> = [method.as_str().to_lowercase()].into_iter().chain(parts).collect();
    words.join("_")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The committed document is the one that is served. `EYOT_BLESS=1` writes it anew.
    #[test]
    fn the_committed_document_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        let made = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("EYOT_BLESS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == made,
            "docs/openapi.json is not what the code makes; EYOT_BLESS=1 cargo test -p eyot-portal writes it"
        );
    }

    #[test]
    fn every_address_for_programs_is_documented_once() {
        let document = document();
        let mut names = std::collections::BTreeSet::new();
        for route in routes().iter().filter(|r| r.path.starts_with("/api/v1/") && r.who != Who::Sensor) {
            if route.path == eyot_contract::path::ENROL {
                continue;
            }
            let method = route.method.as_str().to_lowercase();
            let id = document["paths"][route.path][&method]["operationId"].as_str();
            let id = id.unwrap_or_else(|| panic!("{method} {} is not documented", route.path));
            assert!(names.insert(id.to_owned()), "{id} twice");
        }
        assert!(names.len() > 30, "{}", names.len());
    }
}
