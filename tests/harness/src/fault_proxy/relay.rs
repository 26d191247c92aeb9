//! One connection through the proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::sleep;

use super::fault::{Fault, When};
use super::schedule::Shared;

/// Maximum bytes of one read.
const PIECE: usize = 16 * 1024;

/// The way in which a connection ends.
enum End {
    /// In an orderly way.
    Closed,
    /// With a RST to the client.
    Reset,
}

/// The two sides of a connection.
struct Sides {
    from_client: OwnedReadHalf,
    to_client: OwnedWriteHalf,
    from_target: OwnedReadHalf,
    to_target: OwnedWriteHalf,
}

/// The state of the current exchange.
#[derive(Default)]
struct Exchange {
    fault: Option<Fault>,
    /// The number of response bytes passed on.
    answered: usize,
}

pub(super) async fn relay(client: TcpStream, target: SocketAddr, shared: Arc<Shared>) {
    let Ok(target) = TcpStream::connect(target).await else {
        return;
    };
    // Send small responses at once; Nagle's delay is not a fault that the test asked for.
    let _ = client.set_nodelay(true);
    let _ = target.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_target, to_target) = target.into_split();
    let mut sides = Sides {
        from_client,
        to_client,
        from_target,
        to_target,
    };
    let end = exchanges(&mut sides, &shared).await;
    if let (Ok(End::Reset), Ok(client)) = (end, sides.from_client.reunite(sides.to_client)) {
        let _ = client.set_zero_linger();
    }
}

/// Carries bytes both ways until one of the sides, or a fault, ends it.
async fn exchanges(sides: &mut Sides, shared: &Shared) -> io::Result<End> {
    let mut schedules = shared.schedules.subscribe();
    let (mut request, mut response) = (vec![0; PIECE], vec![0; PIECE]);
    let mut exchange = Exchange::default();
    // A new connection begins with a request, and so does a kept one after a response.
    let mut is_answered = true;
    let mut is_asking = true;
    loop {
        tokio::select! {
            read = sides.from_client.read(&mut request), if is_asking => {
                let piece = request.get(..read?).unwrap_or_default();
                if piece.is_empty() {
                    // The client has sent everything, and may still be listening.
                    is_asking = false;
                    sides.to_target.shutdown().await?;
                    continue;
                }
                if is_answered {
                    is_answered = false;
                    schedules.mark_unchanged();
                    exchange = Exchange { fault: shared.next(), answered: 0 };
                }
                match exchange.fault {
                    Some(fault) if fault.when() == Some(When::AtOnce) => {
                        return strike(sides, fault, &mut schedules).await;
                    }
                    _ => sides.to_target.write_all(piece).await?,
                }
            }
            read = sides.from_target.read(&mut response) => {
                let piece = response.get(..read?).unwrap_or_default();
                if piece.is_empty() {
                    return Ok(End::Closed);
                }
                is_answered = true;
                let Some(fault) = exchange.fault else {
                    sides.to_client.write_all(piece).await?;
                    continue;
                };
                tokio::select! {
                    passed = pass(&mut sides.to_client, &mut exchange.answered, fault, piece) => {
                        if passed? {
                            continue;
                        }
                    }
                    _ = schedules.changed() => return Ok(End::Closed),
                }
                return strike(sides, fault, &mut schedules).await;
            }
        }
    }
}

/// Passes on as much of a piece of the response as the fault allows. Returns whether that was all.
async fn pass(
    to_client: &mut OwnedWriteHalf,
    answered: &mut usize,
    fault: Fault,
    piece: &[u8],
) -> io::Result<bool> {
    match fault {
        Fault::Latency(latency) => {
            sleep(latency).await;
            to_client.write_all(piece).await?;
        }
        Fault::Trickle { bytes, pause } => {
            for drop in piece.chunks(bytes.max(1)) {
                sleep(pause).await;
                to_client.write_all(drop).await?;
            }
        }
        Fault::Reset(When::After(limit))
        | Fault::HalfClose(When::After(limit))
        | Fault::Truncate(When::After(limit))
        | Fault::BlackHole(When::After(limit)) => {
            let left = limit.saturating_sub(*answered);
            let passed = piece.get(..left).unwrap_or(piece);
            to_client.write_all(passed).await?;
            *answered += passed.len();
            return Ok(passed.len() == piece.len());
        }
        // It was applied before the response.
        Fault::Reset(When::AtOnce)
        | Fault::HalfClose(When::AtOnce)
        | Fault::Truncate(When::AtOnce)
        | Fault::BlackHole(When::AtOnce) => return Ok(false),
    }
    Ok(true)
}

/// Ends an exchange in the way of the fault.
async fn strike(
    sides: &mut Sides,
    fault: Fault,
    schedules: &mut tokio::sync::watch::Receiver<u64>,
) -> io::Result<End> {
    match fault {
        Fault::Reset(_) => return Ok(End::Reset),
        Fault::HalfClose(_) => sides.to_client.shutdown().await?,
        Fault::BlackHole(_) => {}
        Fault::Latency(_) | Fault::Trickle { .. } | Fault::Truncate(_) => return Ok(End::Closed),
    }
    // Read everything from the client, and pass nothing on.
    let mut ignored = vec![0; PIECE];
    tokio::select! {
        () = async { while matches!(sides.from_client.read(&mut ignored).await, Ok(1..)) {} } => {}
        _ = schedules.changed() => {}
    }
    Ok(End::Closed)
}
