//! A thread for one piece of work.

use std::future::Future;
use std::io;
use std::sync::mpsc::channel;
use std::thread;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Does `work` on a thread of its own, which has timers and no I/O. It goes on where the handle is dropped, and a panic ends
/// nothing else.
///
/// # Errors
///
/// Where the system has no thread for it.
pub(super) fn spawn(
    name: &str,
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let (tell, told) = channel();
    let run = move || {
        let runtime = match Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = tell.send(Err(error));
                return;
            }
        };
        // Dropped with the work, whether that is done, panics or is aborted.
        let (at_work, ended) = oneshot::channel::<()>();
        let task = runtime.spawn(async move {
            let _at_work = at_work;
            work.await;
        });
        let _ = tell.send(Ok(task));
        // Nothing is ever sent.
        let _ = runtime.block_on(ended);
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    told.recv().map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::spawn;
    use std::sync::mpsc::{TryRecvError, channel};
    use std::thread;
    use std::time::Duration;

    #[tokio::test]
    async fn work_is_done_on_a_thread_of_its_own_that_has_timers() {
        let (tell, told) = channel();
        let work = spawn("the-work", async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tell.send(thread::current().name().map(str::to_owned))
                .expect("somebody hears it");
        });
        work.expect("a thread").await.expect("no panic");
        assert_eq!(told.recv(), Ok(Some("the-work".to_owned())));
    }

    #[tokio::test]
    async fn work_that_is_aborted_is_dropped_before_its_handle_says_so() {
        let (alive, ended) = channel::<()>();
        let work = spawn("aborted", async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        })
        .expect("a thread");
        work.abort();
        assert!(work.await.expect_err("aborted").is_cancelled());
        assert_eq!(ended.try_recv(), Err(TryRecvError::Disconnected));
    }

    #[tokio::test]
    async fn a_panic_in_it_is_for_whoever_waits() {
        let work = spawn("in-panic", async { panic!("a bug") }).expect("a thread");
        assert!(work.await.expect_err("a panic").is_panic());
    }
}
