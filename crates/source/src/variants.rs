//! The variants of one source: which are being made, and by whom.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use feed::Feed;
use media::{AudioCoding, Variant};
use tokio::sync::Notify;

use crate::Error;
use crate::archive::{Archive, Recorded, Since};
use crate::mixed::{Mixed, Planner};
use crate::packets::Packets;
use crate::past::{Clip, Past};
use crate::picture::Pictures;
use crate::progress::Progress;
use crate::recode::{Place, Recode, Recoding, Supply};
use crate::transcode::{self, AudioLease, Demand, Job, Lease, Sounds};

/// What `status` shows of a variant that is being made.
#[derive(Clone, Debug)]
pub struct Making {
    /// Which.
    pub variant: Variant,
    /// Its readers.
    pub readers: usize,
    /// Pictures made.
    pub pictures: u64,
    /// Pictures that were decoded but overtaken before they were encoded.
    pub dropped: u64,
}

/// Most variants of one source that are made at a time: each costs a thread and an encode
/// of every picture.
const MOST: usize = 16;

fn too_many() -> Error {
    Error::TooMany { what: format!("{MOST} other sizes, rates and qualities of it are being made already") }
}

/// Ends a variant that nobody reads, or, for the sake of a stream, one that only
/// snapshots are made of.
fn make_room(jobs: &mut Jobs, demand: Demand) -> Result<(), Error> {
    let unread = jobs.running.iter().find(|(_, job)| job.demand().is_none());
    let lesser = || jobs.running.iter().find(|(_, job)| job.demand().is_some_and(|has| has < demand));
    let victim = unread.or_else(lesser).map(|(variant, _)| *variant).ok_or_else(too_many)?;
    if let Some(job) = jobs.running.remove(&victim) {
        job.end(None);
    }
    Ok(())
}

/// The pictures of one source, in any size, rate and quality.
pub struct Variants {
    name: String,
    feed: Feed,
    progress: Arc<Progress>,
    jobs: Mutex<Jobs>,
    archive: Option<Arc<Archive>>,
    /// Readers of the past whose pictures are made for them alone.
    recoding: Arc<AtomicUsize>,
    sounds: Sounds,
    /// Wakes the decoder thread when there is a new job.
    pub(crate) new_job: Notify,
}

/// The jobs of the decoder thread.
#[derive(Default)]
pub(crate) struct Jobs {
    pub(crate) running: BTreeMap<Variant, Arc<Job>>,
    /// The thread runs, and looks at `running` once more before it ends.
    pub(crate) decoding: bool,
}

impl Variants {
    pub(crate) fn new(name: &str, feed: Feed, progress: Arc<Progress>, archive: Option<Arc<Archive>>) -> Self {
        Self {
            name: name.into(),
            feed,
            progress,
            jobs: Mutex::default(),
            sounds: Sounds::default(),
            archive,
            recoding: Arc::default(),
            new_job: Notify::new(),
        }
    }

    /// A reader of every picture of `variant`.
    #[must_use]
    pub fn pictures(self: &Arc<Self>, variant: Variant) -> Pictures {
        Pictures::new(Arc::clone(self), variant, Demand::All)
    }

    /// A reader that is content with keyframes: for snapshots and thumbnails. Where
    /// others read the same variant, it gets every picture at no cost.
    #[must_use]
    pub fn keyframes(self: &Arc<Self>, variant: Variant) -> Pictures {
        Pictures::new(Arc::clone(self), variant, Demand::Keyframes)
    }

    /// A reader of the source's own packets in order, from the recording on and then live,
    /// without a gap or a repeat between the two. It is not hurried: one that is slow stays
    /// in the past, and one that the recording overtakes is told what it lost.
    ///
    /// The numbers of packets that an earlier run of the program recorded are 0.
    ///
    /// # Errors
    /// [`Error::NotRecorded`].
    pub fn packets_since(self: &Arc<Self>, since: Since) -> Result<Packets, Error> {
        Ok(Packets::since(Arc::clone(self), self.past(since)?))
    }

    /// The same, coded as `how` says, for this reader alone.
    ///
    /// # Errors
    /// [`Error::NotRecorded`], [`Error::TooMany`]. Needs a tokio runtime.
    pub fn coded_since(self: &Arc<Self>, how: Recoding, since: Since) -> Result<Packets, Error> {
        let packets = self.packets_since(since)?;
        self.recode(Supply::Packets(Box::new(packets)), how)
    }

    /// A [`Variants::clip`], coded as `how` says; ends with [`Error::Ended`].
    ///
    /// # Errors
    /// [`Error::NotRecorded`], [`Error::TooMany`]. Needs a tokio runtime.
    pub fn coded_clip(self: &Arc<Self>, how: Recoding, from: SystemTime, until: SystemTime) -> Result<Packets, Error> {
        self.recode(Supply::Clip(Box::new(self.clip(from, until)?)), how)
    }

    fn recode(self: &Arc<Self>, supply: Supply, how: Recoding) -> Result<Packets, Error> {
        let place = Place::take(&self.recoding)?;
        let recode = Recode::start(&self.name, supply, how, place)?;
        Ok(Packets::recoded(Arc::clone(self), recode))
    }

    /// The source's own packets that arrived from `from` on and before `until`, and those before
    /// them from a keyframe on. Opens nothing but the recording.
    ///
    /// # Errors
    /// [`Error::NotRecorded`].
    pub fn clip(&self, from: SystemTime, until: SystemTime) -> Result<Clip, Error> {
        let archive = self.archive.clone().ok_or(Error::NotRecorded)?;
        Ok(Clip::new(archive, self.feed.clone(), from, until))
    }

    /// The recording, and how it does; nothing where the source is not recorded.
    #[must_use]
    pub fn recorded(&self) -> Option<Recorded> {
        self.archive.as_ref().map(|archive| archive.recorded())
    }

    /// The recording, if there is one.
    pub(crate) fn archive(&self) -> Option<&Archive> {
        self.archive.as_deref()
    }

    fn past(&self, since: Since) -> Result<Past, Error> {
        let archive = self.archive.clone().ok_or(Error::NotRecorded)?;
        Ok(Past::new(archive, self.feed.clone(), since))
    }

    /// A reader of pictures and sound in order, each as it is or coded anew, as `planner` says
    /// when it is shown the source's tracks.
    #[must_use]
    pub fn mixed(self: &Arc<Self>, planner: Planner) -> Mixed {
        Mixed::new(Arc::clone(self), planner)
    }

    /// What is being made now.
    #[must_use]
    pub fn making(&self) -> Vec<Making> {
        self.jobs().running.values().map(|job| job.making()).collect()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.feed
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sounds(&self) -> MutexGuard<'_, BTreeMap<AudioCoding, Arc<transcode::SharedSound>>> {
        self.sounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A share in the making of sound like `coding`, which starts with the first one.
    pub(crate) fn lease_audio(self: &Arc<Self>, coding: AudioCoding) -> Result<AudioLease, Error> {
        transcode::lease_audio(self, coding)
    }

    /// A share in the making of `variant`, which starts with the first one. With `keep` the
    /// reader wants it only until the source's own pictures will do.
    pub(crate) fn lease(self: &Arc<Self>, variant: Variant, demand: Demand, keep: bool) -> Result<Lease, Error> {
        let mut jobs = self.jobs();
        let job = match jobs.running.get(&variant) {
            Some(job) => Arc::clone(job),
            None => {
                if jobs.running.len() >= MOST {
                    make_room(&mut jobs, demand)?;
                }
                let job = Job::start(&self.name, variant)?;
                jobs.running.insert(variant, Arc::clone(&job));
                job
            }
        };
        let lease = Lease::new(job, demand, keep);
        let start = !std::mem::replace(&mut jobs.decoding, true);
        drop(jobs);
        if start {
            transcode::start(Arc::clone(self))?;
        } else {
            self.new_job.notify_one();
        }
        Ok(lease)
    }
}
