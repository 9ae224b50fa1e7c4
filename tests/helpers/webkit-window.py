#!/usr/bin/python3
"""A WebKitGTK browser that has nothing but the page: WebDriver drives it, at sizes that MiniBrowser's toolbar forbids.

Its argument is the directory where downloads are saved.
"""

import itertools
import os
import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import GLib, Gtk, WebKit2  # noqa: E402

folder = sys.argv[1]

# WebDriver does not report errors of pages.
ERRORS = """
globalThis.thrownHere = [];
addEventListener("error", ({ message }) => globalThis.thrownHere.push(String(message)));
addEventListener("unhandledrejection", ({ reason }) => globalThis.thrownHere.push(String(reason)));
"""


def decide_destination(download, name):
    names = itertools.chain([name], (f"{number}-{name}" for number in itertools.count(1)))
    path = next(path for path in (os.path.join(folder, name) for name in names) if not os.path.exists(path))
    download.set_destination(GLib.filename_to_uri(path, None))
    return True


def create_web_view(session):
    content = WebKit2.UserContentManager()
    frames = WebKit2.UserContentInjectedFrames.TOP_FRAME
    start = WebKit2.UserScriptInjectionTime.START
    content.add_script(WebKit2.UserScript.new(ERRORS, frames, start, None, None))
    view = WebKit2.WebView(web_context=context, user_content_manager=content, is_controlled_by_automation=True)
    window = Gtk.Window(default_width=1200, default_height=760)
    window.add(view)
    view.connect("close", lambda _: window.destroy())
    window.show_all()
    view.grab_focus()
    return view


def automation_started(_, session):
    about = WebKit2.ApplicationInfo()
    about.set_name("webkit-window")
    major, minor, micro = WebKit2.get_major_version(), WebKit2.get_minor_version(), WebKit2.get_micro_version()
    about.set_version(major, minor, micro)
    session.set_application_info(about)
    session.connect("create-web-view", create_web_view)


context = WebKit2.WebContext.new_ephemeral()
context.set_automation_allowed(True)
context.connect("automation-started", automation_started)
context.connect("download-started", lambda _, download: download.connect("decide-destination", decide_destination))
Gtk.main()
