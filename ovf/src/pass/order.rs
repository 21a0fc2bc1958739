//! Work spread over threads, results in the order of the jobs.

use std::collections::BTreeMap;
use std::thread;

use crossbeam_channel::bounded;

use super::{Control, PassError, MAX_BLOCKS_IN_FLIGHT};

/// Runs `work` on every job with `control.threads` threads and hands the results to `consume` one by one, in the order
/// of `jobs`, on the calling thread. `state` makes what each thread keeps to itself.
///
/// At most [`MAX_BLOCKS_IN_FLIGHT`] jobs lie between being drawn and being consumed: a job needs a permit, and consuming
/// its result gives the permit back. Ends at the first error in job order, so which error is seen does not depend on
/// the threads' speed.
pub fn in_order<J, O, S>(
    control: &Control,
    jobs: impl Iterator<Item = Result<J, PassError>> + Send,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> Result<O, PassError> + Sync,
    mut consume: impl FnMut(O) -> Result<(), PassError>,
) -> Result<(), PassError>
where
    J: Send,
    O: Send,
{
    let threads = control.threads.clamp(1, super::MAX_THREADS);
    let window = (2 * threads + 2).min(MAX_BLOCKS_IN_FLIGHT);
    let (give_permit, permits) = bounded(window);
    for _ in 0..window {
        let _ = give_permit.send(());
    }
    let (give_job, take_job) = bounded::<(u64, J)>(window);
    let (give_result, results) = bounded::<(u64, Result<O, PassError>)>(window + 1);

    thread::scope(|scope| {
        let failed = give_result.clone();
        // Every sender and receiver moves into the thread that uses it: whoever leaves early closes its queues, and
        // all others follow.
        scope.spawn(move || {
            for (number, job) in (0u64..).zip(jobs) {
                if permits.recv().is_err() {
                    return;
                }
                let job = control.check().and(job);
                let sent = match job {
                    Ok(job) => give_job.send((number, job)).is_ok(),
                    Err(error) => {
                        let _ = failed.send((number, Err(error)));
                        false
                    }
                };
                if !sent {
                    return;
                }
            }
        });
        for _ in 0..threads {
            let (take_job, give_result) = (take_job.clone(), give_result.clone());
            let (state, work) = (&state, &work);
            scope.spawn(move || {
                let mut own = state();
                for (number, job) in take_job {
                    if give_result.send((number, work(&mut own, job))).is_err() {
                        return;
                    }
                }
            });
        }
        drop((take_job, give_result));

        let consume_all = move || {
            let mut early = BTreeMap::new();
            let mut next = 0u64;
            for (number, result) in results {
                early.insert(number, result);
                while let Some(result) = early.remove(&next) {
                    consume(result?)?;
                    next += 1;
                    let _ = give_permit.send(());
                }
            }
            Ok(())
        };
        consume_all()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn control(threads: usize) -> Control {
        Control { threads, ..Control::quiet() }
    }

    #[test]
    fn results_come_in_order_and_few_are_in_flight() {
        let (drawn, consumed, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let mut seen = Vec::new();
        let jobs = (0..200usize).map(|n| {
            drawn.fetch_add(1, Ordering::SeqCst);
            Ok(n)
        });
        in_order(
            &control(4),
            jobs,
            || (),
            |(), n| {
                // the first is the slowest
                thread::sleep(Duration::from_micros(if n == 0 { 50_000 } else { 10 }));
                let flying = drawn.load(Ordering::SeqCst) - consumed.load(Ordering::SeqCst);
                most.fetch_max(flying, Ordering::SeqCst);
                Ok(n)
            },
            |n| {
                seen.push(n);
                consumed.fetch_add(1, Ordering::SeqCst);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
        // one more than the window: the job drawn while waiting for its permit
        assert!(most.load(Ordering::SeqCst) <= 2 * 4 + 2 + 1);
    }

    #[test]
    fn the_first_error_in_job_order_ends_it() {
        for threads in [1, 7] {
            let mut seen = 0;
            let jobs = (0..1000u32).map(Ok);
            let work = |(): &mut (), n: u32| match n {
                20 => {
                    thread::sleep(Duration::from_millis(20));
                    Err(PassError::TooLarge { what: "twenty", detail: "" })
                }
                21.. => Err(PassError::Stopped),
                _ => Ok(n),
            };
            let error = in_order(
                &control(threads),
                jobs,
                || (),
                work,
                |_| {
                    seen += 1;
                    Ok(())
                },
            )
            .unwrap_err();
            assert!(matches!(error, PassError::TooLarge { what: "twenty", .. }), "{error}");
            assert_eq!(seen, 20);
        }
    }

    #[test]
    fn a_failing_consumer_or_job_source_stops_all_threads() {
        let endless = std::iter::repeat_with(|| Ok(1));
        let stop = |_| Err(PassError::Stopped);
        assert!(matches!(
            in_order(&control(3), endless, || (), |(), n| Ok(n), stop),
            Err(PassError::Stopped)
        ));
        let failing = (0..10).map(|n| if n < 5 { Ok(n) } else { Err(PassError::Interrupted) });
        let result = in_order(&control(3), failing, || (), |(), n| Ok(n), |_| Ok(()));
        assert!(matches!(result, Err(PassError::Interrupted)));
        let flagged = control(3);
        flagged.interrupted.store(true, Ordering::Relaxed);
        let result = in_order(&flagged, (0..10).map(Ok), || (), |(), n: i32| Ok(n), |_| Ok(()));
        assert!(matches!(result, Err(PassError::Interrupted)));
    }
}
