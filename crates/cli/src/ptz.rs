//! `headwater ptz`: moves a camera by ONVIF.

use std::io::Write;
use std::time::Duration;

use clap::{Arg, Args, Subcommand};
use media::Redacted;
use source::onvif::{Camera, Direction, Order, Vector};
use tokio::runtime::Builder;

use crate::args::{short_help, time};
use crate::exit::Failure;
use crate::opening::Reaching;
use crate::printable;

const STATUS: &str = "Without an order it tells where the camera looks.";

/// What to do where the device is no camera that speaks ONVIF, or none at this port.
const NOT_ONVIF: &str = "switch ONVIF on in the camera, or write its own port: onvif://HOST:PORT";

const EXAMPLES: &[&str] = &[
    "ptz onvif://user:password@10.0.0.7 left --for 500ms",
    "ptz onvif://user:password@10.0.0.7 preset Gate",
    "ptz onvif://user:password@10.0.0.7 to 0.5 -0.2 0",
];

#[derive(Args, Debug)]
#[command(subcommand_value_name = "ORDER", subcommand_help_heading = "Orders", disable_help_subcommand = true)]
#[command(mut_args(everywhere))]
#[command(after_help = STATUS, after_long_help = format!("{STATUS}\n\n{}", short_help(EXAMPLES)))]
pub struct Ptz {
    /// The camera, as onvif://USER:PASSWORD@HOST
    #[arg(value_name = "URL")]
    pub url: String,
    /// What it is to do
    #[command(subcommand)]
    pub action: Option<Action>,
    /// How fast, from 0.01 to 1
    #[arg(long, value_name = "SPEED", default_value = "0.5", value_parser = speed, global = true)]
    pub speed: f32,
    /// How long it moves
    #[arg(long = "for", value_name = "TIME", default_value = "1s", value_parser = time, global = true)]
    pub time: Duration,
    #[command(flatten)]
    pub reaching: Reaching,
}

/// Options stand behind the order as well as in front of it.
fn everywhere(arg: Arg) -> Arg {
    match arg.is_positional() {
        true => arg,
        false => arg.global(true),
    }
}

#[derive(Subcommand, Debug, Clone)]
pub enum Action {
    /// Turn to the left for a time, and stop
    Left,
    /// Turn to the right for a time, and stop
    Right,
    /// Turn up for a time, and stop
    Up,
    /// Turn down for a time, and stop
    Down,
    /// Zoom in for a time, and stop
    ZoomIn,
    /// Zoom out for a time, and stop
    ZoomOut,
    /// Stop whatever moves
    Stop,
    /// Go home
    Home,
    /// Go to a preset, by its name or token
    Preset {
        /// As `presets` lists it
        name: String,
    },
    /// List the presets
    Presets,
    /// Tell where it looks
    Status,
    /// Go to a place: pan and tilt from -1 to 1, zoom from 0 to 1
    #[command(allow_negative_numbers = true)]
    To {
        /// To the right, from -1 to 1
        #[arg(value_parser = signed)]
        pan: f32,
        /// Up, from -1 to 1
        #[arg(value_parser = signed)]
        tilt: f32,
        /// In, from 0 to 1
        #[arg(value_parser = unsigned)]
        zoom: f32,
    },
    /// Go so far from here: pan, tilt and zoom from -1 to 1
    #[command(allow_negative_numbers = true)]
    By {
        /// To the right, from -1 to 1
        #[arg(value_parser = signed)]
        pan: f32,
        /// Up, from -1 to 1
        #[arg(value_parser = signed)]
        tilt: f32,
        /// In, from -1 to 1
        #[arg(default_value = "0", value_parser = signed)]
        zoom: f32,
    },
}

pub fn run(args: &Ptz) -> anyhow::Result<()> {
    let options = args.reaching.options()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let limit = options.open_timeout;
        let mut camera = Camera::open(&args.url, &options).await?;
        let late = || source::Error::Timeout { phase: source::Phase::Handshake, after: limit, tried: None };
        tokio::time::timeout(limit + args.time, act(&mut camera, args)).await.unwrap_or_else(|_| Err(late().into()))
    });
    runtime.shutdown_background();
    let text = done.map_err(|error: anyhow::Error| match error.downcast::<source::Error>() {
        // What stands on the command line, and no camera was asked.
        Ok(error @ source::Error::BadUrl { .. }) => Failure::Usage(error.to_string()).into(),
        // Nobody wanted a picture.
        Ok(source::Error::Timeout { after, .. }) => {
            let error = source::Error::Unreachable { what: format!("the camera did not answer within {after:?}") };
            Failure::Source { url: Redacted(&args.url).to_string(), error }.into()
        }
        Ok(error) if matches!(&error, source::Error::Broken { what } if what.contains("no ONVIF service")) => {
            let error = source::Error::Broken { what: format!("{}; {NOT_ONVIF}", error.what()) };
            Failure::Source { url: Redacted(&args.url).to_string(), error }.into()
        }
        Ok(error) => Failure::Source { url: Redacted(&args.url).to_string(), error }.into(),
        Err(error) => error,
    })?;
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Does what is wanted; what there is to print.
async fn act(camera: &mut Camera, args: &Ptz) -> anyhow::Result<String> {
    let order = match args.action.clone().unwrap_or(Action::Status) {
        Action::Status => return Ok(status(camera).await?),
        Action::Presets => {
            let presets = camera.presets().await?;
            return Ok(presets
                .iter()
                .map(|preset| format!("{:<12} {}\n", printable(&preset.token), printable(&preset.name)))
                .collect());
        }
        Action::Preset { name } => match camera.preset(&name).await? {
            Ok(preset) => Order::Preset(preset.token),
            Err(presets) => {
                let known = presets.iter().map(|preset| preset.name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(Failure::Usage(printable(&format!("no preset {name:?}; there are: {known}"))).into());
            }
        },
        Action::Stop => Order::Stop,
        Action::Home => Order::Home,
        Action::To { pan, tilt, zoom } => Order::Absolute(Vector { pan, tilt, zoom }),
        Action::By { pan, tilt, zoom } => Order::Relative(Vector { pan, tilt, zoom }),
        Action::Left => return go(camera, Direction::Left, args).await,
        Action::Right => return go(camera, Direction::Right, args).await,
        Action::Up => return go(camera, Direction::Up, args).await,
        Action::Down => return go(camera, Direction::Down, args).await,
        Action::ZoomIn => return go(camera, Direction::ZoomIn, args).await,
        Action::ZoomOut => return go(camera, Direction::ZoomOut, args).await,
    };
    camera.order(&order).await?;
    Ok(String::new())
}

async fn go(camera: &mut Camera, direction: Direction, args: &Ptz) -> anyhow::Result<String> {
    camera.go(direction, args.speed, args.time).await?;
    Ok(String::new())
}

async fn status(camera: &mut Camera) -> Result<String, source::Error> {
    let place = camera.place().await?;
    let number = |value: Option<f32>| value.map_or("unknown".into(), |value| value.to_string());
    let mut text = format!("pan {}, tilt {}, zoom {}", number(place.pan), number(place.tilt), number(place.zoom));
    for (what, state) in [("pan and tilt", &place.pan_tilt), ("zoom", &place.zooming)] {
        text.extend(state.iter().map(|state| format!("; {what} {}", printable(&state.to_lowercase()))));
    }
    text.push('\n');
    Ok(text)
}

/// Cameras are not asked for what no camera has.
fn within(text: &str, from: f32, to: f32) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number| (from..=to).contains(number));
    number.ok_or_else(|| format!("expected a number from {from} to {to}"))
}

fn signed(text: &str) -> Result<f32, String> {
    within(text, -1.0, 1.0)
}

fn unsigned(text: &str) -> Result<f32, String> {
    within(text, 0.0, 1.0)
}

fn speed(text: &str) -> Result<f32, String> {
    within(text, 0.01, 1.0)
}
