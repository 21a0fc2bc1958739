//! One address of the portal: how it is asked, who may ask, how much it takes, who answers, and, for programs, what the
//! API's document says about it. The table of them is `routes`; router, document and security tests are made from it.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::routing::{on, MethodFilter, MethodRouter};
use axum::Router;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::portal::Portal;

/// Who may ask. Handlers enforce it by their extractors; the table says it a second time, and the security tests hold one
/// against the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody.
    Anybody,
    /// A sensor, by its certificate.
    Sensor,
    /// Whoever has a role.
    Viewer,
    /// Whoever may change sensors and devices.
    Changer,
    /// Whoever may change plans.
    Pricer,
    /// Whoever may manage accounts.
    Admitter,
    /// A signed-in person, no program.
    Person,
}

impl Who {
    /// Name in lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::Sensor => "sensor",
            Self::Viewer => "any role",
            Self::Changer => "security admin",
            Self::Pricer => "contributor",
            Self::Admitter => "owner",
            Self::Person => "any person",
        }
    }
}

/// Makes a type's schema.
pub type Describe = fn(&mut SchemaGenerator) -> Schema;

/// What a request carries.
#[derive(Clone, Copy)]
pub enum Body {
    /// Nothing.
    None,
    /// JSON.
    Json {
        /// Its schema.
        schema: Describe,
        /// Whether it must be there.
        required: bool,
    },
    /// A text.
    Text,
    /// A form with files (multipart/form-data).
    Form {
        /// Its schema.
        schema: Describe,
    },
    /// A file as it is.
    Bytes,
}

/// What the API's document says.
#[derive(Clone, Copy)]
pub struct Operation {
    /// One line.
    pub summary: &'static str,
    /// Parameters after the question mark.
    pub query: Option<Describe>,
    /// What is sent.
    pub body: Body,
    /// How it ends when it ends well.
    pub success: StatusCode,
    /// What is then answered.
    pub answer: Option<Describe>,
}

/// One method of one address.
pub struct Route {
    /// How it is asked.
    pub method: Method,
    /// Address, with `{names}` for its variable parts.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    /// Largest body, in bytes.
    pub limit: usize,
    /// For programs: its documentation.
    pub operation: Option<Operation>,
    answers: MethodRouter<Arc<Portal>>,
}

impl Route {
    /// An address. `method` is one of GET, POST, PUT, PATCH and DELETE.
    pub fn new<H, T>(method: Method, filter: MethodFilter, path: &'static str, who: Who, handler: H) -> Self
    where
        H: Handler<T, Arc<Portal>>,
        T: 'static,
    {
        Self { method, path, who, limit: MAX_SMALL_BODY, operation: None, answers: on(filter, handler) }
    }

    /// Takes bodies of this size.
    pub fn up_to(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// For programs: answers with this.
    pub fn gives<A: JsonSchema>(self, summary: &'static str) -> Self {
        self.ends(summary, StatusCode::OK, Some(describe::<A>))
    }

    /// For programs: makes something and answers with this.
    pub fn makes<A: JsonSchema>(self, summary: &'static str) -> Self {
        self.ends(summary, StatusCode::CREATED, Some(describe::<A>))
    }

    /// For programs: makes something and says no more.
    pub fn makes_it(self, summary: &'static str) -> Self {
        self.ends(summary, StatusCode::CREATED, None)
    }

    /// For programs: does something and says no more.
    pub fn does(self, summary: &'static str) -> Self {
        self.ends(summary, StatusCode::NO_CONTENT, None)
    }

    fn ends(mut self, summary: &'static str, success: StatusCode, answer: Option<Describe>) -> Self {
        self.operation = Some(Operation { summary, query: None, body: Body::None, success, answer });
        self
    }

    /// With these parameters after the question mark.
    pub fn asking<Q: JsonSchema>(mut self) -> Self {
        // the type itself, not a reference to it: its properties become parameters
        if let Some(operation) = &mut self.operation {
            operation.query = Some(Q::json_schema);
        }
        self
    }

    /// With this body.
    pub fn taking<B: JsonSchema>(self) -> Self {
        self.carrying(Body::Json { schema: describe::<B>, required: true })
    }

    /// With this body, or none.
    pub fn perhaps_taking<B: JsonSchema>(self) -> Self {
        self.carrying(Body::Json { schema: describe::<B>, required: false })
    }

    /// With a text.
    pub fn taking_text(self) -> Self {
        self.carrying(Body::Text)
    }

    /// With a file.
    pub fn taking_bytes(self) -> Self {
        self.carrying(Body::Bytes)
    }

    /// With a form that holds files.
    pub fn taking_form<F: JsonSchema>(self) -> Self {
        self.carrying(Body::Form { schema: describe::<F> })
    }

    fn carrying(mut self, body: Body) -> Self {
        if let Some(operation) = &mut self.operation {
            operation.body = body;
        }
        self
    }

    /// Adds it to a router.
    pub fn into(self, router: Router<Arc<Portal>>) -> Router<Arc<Portal>> {
        router.route(self.path, self.answers.layer(DefaultBodyLimit::max(self.limit)))
    }
}

fn describe<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Largest enrolment request or form, in bytes.
const MAX_SMALL_BODY: usize = 64 * 1024;
