//! Health checks of managed processes.

use crate::agent::Agent;
use crate::wire::process::{HealthCheck, HealthCheckType};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// Whether the port answers in time, over HTTP with a status from 200 to 399.
pub(super) async fn answers(agent: &Agent, check: &HealthCheck) -> bool {
    let limit = Duration::from_millis(check.timeout_ms.max(1));
    matches!(timeout(limit, ask(agent, check)).await, Ok(true))
}

async fn ask(agent: &Agent, check: &HealthCheck) -> bool {
    let Ok(mut connection) = agent.connect(check.port).await else { return false };
    if check.r#type == HealthCheckType::Tcp {
        return true;
    }
    let path = check.path.as_deref().unwrap_or("/");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut head = [0; 12];
    let answered: io::Result<()> = async {
        connection.write_all(request.as_bytes()).await?;
        connection.read_exact(&mut head).await?;
        Ok(())
    }
    .await;
    answered.is_ok() && head.starts_with(b"HTTP/1.") && matches!(head[9], b'2' | b'3')
}
