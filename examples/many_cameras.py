#!/usr/bin/env python3
"""Any number of cameras in one event loop: python3 examples/many_cameras.py [--frames N] URL..."""

import argparse
import asyncio
import signal

import headwater


async def watch(url, most):
    try:
        async with await headwater.aopen(url, size=(320, 0)) as camera:
            async for frame in camera:
                brightness = frame.gray.mean()
                print(f"{camera.url}: frame {frame.index}, brightness {brightness:.0f}", flush=True)
                most -= 1
                if not most:
                    break
    except headwater.Error as error:
        print(error)


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=-1, help="of each camera; without it, for ever")
    parser.add_argument("url", nargs="+")
    arguments = parser.parse_args()
    await asyncio.gather(*(watch(url, arguments.frames) for url in arguments.url))


signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
asyncio.run(main())
