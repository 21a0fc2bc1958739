//! `user` and `api-token`: who may come in.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{bail, ensure, Context};
use clap::{Args, Subcommand};
use eyot_contract::Timestamp;

use super::{json, say, table, Data, Format};
use crate::moments::moment;
use crate::pages::login::checked_name;
use crate::portal::Portal;
use crate::rules::password;
use crate::rules::role::Role;
use crate::rules::token::{self, MAX_TOKEN_DAYS};
use crate::store::{self, Actor, NewToken, UserRemoval};

#[derive(Subcommand)]
pub(super) enum User {
    /// Add an account
    #[command(
        after_help = "Example:\n  eyot-portal user add --name anna --password-file -   (then type the password and Ctrl-D)"
    )]
    Add(AddUser),
    /// Give an account another password; signs it out everywhere
    #[command(
        after_help = "Example:\n  eyot-portal user password --name anna --password-file /run/secrets/anna"
    )]
    Password(Password),
    /// List the accounts
    #[command(after_help = "Example:\n  eyot-portal user list --format json")]
    List(List),
    /// Remove an account; signs it out everywhere
    #[command(after_help = "Example:\n  eyot-portal user remove --name anna")]
    Remove(RemoveUser),
}

#[derive(Args)]
pub(super) struct RemoveUser {
    #[command(flatten)]
    data: Data,
    /// The account's name
    #[arg(long)]
    name: String,
}

#[derive(Args)]
pub(super) struct AddUser {
    #[command(flatten)]
    data: Data,
    /// The account's name
    #[arg(long)]
    name: String,
    /// owner, contributor, security_admin or security_reader
    #[arg(long, default_value = "owner")]
    role: Role,
    #[command(flatten)]
    password: PasswordFile,
}

#[derive(Args)]
pub(super) struct Password {
    #[command(flatten)]
    data: Data,
    /// The account's name
    #[arg(long)]
    name: String,
    #[command(flatten)]
    password: PasswordFile,
}

#[derive(Args)]
struct PasswordFile {
    /// File whose first line is the password; - for standard input. Never an argument: every process can read those
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
}

#[derive(Subcommand)]
pub(super) enum ApiToken {
    /// Make a token for a program and print it, once
    #[command(after_help = "Example:\n  eyot-portal api-token create --name reports")]
    Create(CreateToken),
    /// List the tokens there are
    #[command(after_help = "Example:\n  eyot-portal api-token list --format json")]
    List(List),
    /// Delete a token; it stops working at once
    #[command(after_help = "Example:\n  eyot-portal api-token delete --name reports")]
    Delete(DeleteToken),
}

#[derive(Args)]
pub(super) struct CreateToken {
    #[command(flatten)]
    data: Data,
    /// What it is for
    #[arg(long)]
    name: String,
    /// owner, contributor, security_admin or security_reader
    #[arg(long, default_value = "security_reader")]
    role: Role,
    /// Days until it stops working [default: it works until deleted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=MAX_TOKEN_DAYS))]
    days: Option<i64>,
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    data: Data,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Args)]
pub(super) struct DeleteToken {
    #[command(flatten)]
    data: Data,
    /// Which one
    #[arg(long)]
    name: String,
}

impl User {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run().await,
            Self::Password(password) => password.run().await,
            Self::List(list) => list.users().await,
            Self::Remove(remove) => remove.run().await,
        }
    }
}

impl AddUser {
    async fn run(self) -> anyhow::Result<()> {
        checked_name(&self.name).map_err(anyhow::Error::msg)?;
        let hash = self.password.hash()?;
        let portal = Portal::open(&self.data.data).await?;
        let user = store::User { name: self.name.trim().to_owned(), role: self.role };
        let added = portal.store.add_user(&user, &hash, false, Actor::command_line()).await?;
        portal.store.close().await;
        ensure!(added, "there is an account named \"{}\" already", user.name);
        portal.forget_setup_secret();
        println!("{} may sign in as {}", user.name, user.role.title());
        Ok(())
    }
}

impl Password {
    async fn run(self) -> anyhow::Result<()> {
        let hash = self.password.hash()?;
        let portal = Portal::open(&self.data.data).await?;
        let changed = portal.store.set_password(&self.name, &hash, Actor::command_line()).await?;
        portal.store.close().await;
        ensure!(changed, "there is no account named \"{}\"", self.name);
        println!("{} has a new password", self.name);
        Ok(())
    }
}

impl RemoveUser {
    async fn run(self) -> anyhow::Result<()> {
        let portal = Portal::open(&self.data.data).await?;
        let outcome = portal.store.remove_user(&self.name, Actor::command_line()).await?;
        portal.store.close().await;
        match outcome {
            UserRemoval::Removed => say(&format!("{} is removed\n", self.name)),
            UserRemoval::LastOwner => bail!("{} is the last owner; add another owner first", self.name),
            UserRemoval::NotThere => bail!("there is no account named \"{}\"", self.name),
        }
    }
}

impl PasswordFile {
    fn hash(&self) -> anyhow::Result<String> {
        let path = self.password_file.display();
        let mut text = String::new();
        if self.password_file.as_os_str() == "-" {
            let limit = (password::MAX_BYTES + 2) as u64;
            std::io::stdin().take(limit).read_to_string(&mut text).context("cannot read the password")?;
        } else {
            text = std::fs::read_to_string(&self.password_file)
                .with_context(|| format!("cannot read the password from {path}"))?;
        }
        let first = text.lines().next().unwrap_or_default();
        Ok(password::hash(first)?)
    }
}

impl ApiToken {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run().await,
            Self::List(list) => list.tokens().await,
            Self::Delete(delete) => delete.run().await,
        }
    }
}

impl CreateToken {
    async fn run(self) -> anyhow::Result<()> {
        let name = token::checked_name(&self.name).map_err(anyhow::Error::msg)?;
        let portal = Portal::open(&self.data.data).await?;
        let (token, hash) = token::new()?;
        let by = Actor::command_line();
        let expires = self.days.map(|days| token::end(days, by.at));
        let new = NewToken { name, role: self.role, secret_hash: &hash, account: None, expires };
        let added = portal.store.add_api_token(&new, by).await?;
        portal.store.close().await;
        ensure!(added, "there is a token named \"{name}\" already; delete it first, or choose another name");
        println!("{token}");
        Ok(())
    }
}

impl List {
    async fn users(self) -> anyhow::Result<()> {
        let portal = Portal::open(&self.data.data).await?;
        let users = portal.store.users().await?;
        portal.store.close().await;
        match self.format {
            Format::Json => {
                let view = |u: &store::User| serde_json::json!({"name": u.name, "role": u.role.name()});
                say(&json(&users.iter().map(view).collect::<Vec<_>>())?)
            }
            Format::Table => {
                let row = |u: &store::User| vec![u.name.clone(), u.role.name().to_owned()];
                say(&table(&["NAME", "ROLE"], &users.iter().map(row).collect::<Vec<_>>()))
            }
        }
    }

    async fn tokens(self) -> anyhow::Result<()> {
        let portal = Portal::open(&self.data.data).await?;
        let tokens = portal.store.api_tokens(None).await?;
        portal.store.close().await;
        let made = |at: i64| Timestamp(at);
        match self.format {
            Format::Json => {
                let views: Vec<_> = tokens
                    .iter()
                    .map(|t| {
                        serde_json::json!({
                            "name": t.name, "role": t.role, "account": t.account, "created": made(t.created_at),
                            "expires": t.expires_at.map(made), "used": t.used_at.map(made)
                        })
                    })
                    .collect();
                say(&json(&views)?)?;
            }
            Format::Table => {
                let or_dash = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), |at| moment(made(at)));
                let row = |t: &store::ApiToken| {
                    let account = t.account.clone().unwrap_or_else(|| "-".to_owned());
                    let created = moment(made(t.created_at));
                    vec![
                        t.name.clone(),
                        t.role.clone(),
                        account,
                        created,
                        or_dash(t.expires_at),
                        or_dash(t.used_at),
                    ]
                };
                let headings = ["NAME", "ROLE", "ACCOUNT", "CREATED", "EXPIRES", "LAST USED"];
                say(&table(&headings, &tokens.iter().map(row).collect::<Vec<_>>()))?;
            }
        }
        Ok(())
    }
}

impl DeleteToken {
    async fn run(self) -> anyhow::Result<()> {
        let portal = Portal::open(&self.data.data).await?;
        let deleted = portal.store.delete_api_token(&self.name, None, Actor::command_line()).await?;
        portal.store.close().await;
        if !deleted {
            bail!(
                "there is no token named \"{}\"; `eyot-portal api-token list` lists those there are",
                self.name
            );
        }
        println!("token {} deleted", self.name);
        Ok(())
    }
}
