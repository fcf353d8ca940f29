"""The black window that a player draws in, and what can be seen in it.

One rule: the window is ours and outlives every stream, so that the screen is
black between two channels and never shows what lies under it.

Spoken to through libxcb, which players' own X output needs anyway.  Without a
window manager (a box) the window covers the screen and lies at the bottom,
below the page; with one (somebody's desk) it is an ordinary window.
"""

import ctypes
import os

DESK_SIZE = (960, 540)

_COPY_FROM_PARENT = 0
_INPUT_OUTPUT = 1
_CW_BACK_PIXEL = 2
_CW_BACKING_STORE = 64
_NOT_USEFUL = 0
_ALWAYS = 2
_CONFIG_SIBLING = 32
_CONFIG_STACK_MODE = 64
_STACK_ABOVE = 0
_STACK_BELOW = 1
_ATOM_STRING = 31
_ATOM_WM_NAME = 39
_ATOM_WINDOW = 33
_REPLACE = 0
_Z_PIXMAP = 2
_ALL_PLANES = 0xFFFFFFFF


class _Cookie(ctypes.Structure):
    _fields_ = (("sequence", ctypes.c_uint),)


class _Screen(ctypes.Structure):
    """The beginning of ``xcb_screen_t`` (xproto.h)."""

    _fields_ = (
        ("root", ctypes.c_uint32),
        ("default_colormap", ctypes.c_uint32),
        ("white_pixel", ctypes.c_uint32),
        ("black_pixel", ctypes.c_uint32),
        ("current_input_masks", ctypes.c_uint32),
        ("width", ctypes.c_uint16),
        ("height", ctypes.c_uint16),
        ("width_mm", ctypes.c_uint16),
        ("height_mm", ctypes.c_uint16),
        ("min_installed_maps", ctypes.c_uint16),
        ("max_installed_maps", ctypes.c_uint16),
        ("root_visual", ctypes.c_uint32),
        ("backing_stores", ctypes.c_uint8),
    )


class _ScreenIterator(ctypes.Structure):
    _fields_ = (("data", ctypes.POINTER(_Screen)), ("rem", ctypes.c_int), ("index", ctypes.c_int))


class _TreeReply(ctypes.Structure):
    """The beginning of ``xcb_query_tree_reply_t`` (xproto.h)."""

    _fields_ = (
        ("response_type", ctypes.c_uint8),
        ("pad0", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
        ("length", ctypes.c_uint32),
        ("root", ctypes.c_uint32),
        ("parent", ctypes.c_uint32),
        ("children_len", ctypes.c_uint16),
        ("pad1", ctypes.c_uint8 * 14),
    )


class _AtomReply(ctypes.Structure):
    _fields_ = (
        ("response_type", ctypes.c_uint8),
        ("pad0", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
        ("length", ctypes.c_uint32),
        ("atom", ctypes.c_uint32),
    )


class _PropertyReply(ctypes.Structure):
    _fields_ = (
        ("response_type", ctypes.c_uint8),
        ("format", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
        ("length", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
    )


class NoDisplayError(Exception):
    """The X display cannot be reached, or libxcb is not there."""


class Window:
    """A black window on an X display; it lives as long as this process.

    Attributes:
        id: What a player wants to know.
        keeps: Whether X can `keep`.
    """

    def __init__(self, display: str) -> None:
        """Open it.

        Raises:
            NoDisplayError: there is no such display.
        """
        try:
            self._xcb = _load()
        except OSError as error:
            raise NoDisplayError(f"libxcb is missing: {error}") from error
        xcb = self._xcb
        self._connection = connection = xcb.xcb_connect(os.fsencode(display), None)
        if xcb.xcb_connection_has_error(connection):
            xcb.xcb_disconnect(connection)
            raise NoDisplayError(f"the X display {display} does not answer")
        screen = xcb.xcb_setup_roots_iterator(xcb.xcb_get_setup(connection)).data.contents
        managed = _has_window_manager(xcb, connection, screen.root)
        self._width: int
        self._height: int
        self._width, self._height = DESK_SIZE if managed else (screen.width, screen.height)
        self.id = int(xcb.xcb_generate_id(connection))
        self.keeps = bool(screen.backing_stores)
        black = (ctypes.c_uint32 * 1)(screen.black_pixel)
        xcb.xcb_create_window(
            connection, _COPY_FROM_PARENT, self.id, screen.root, 0, 0, self._width, self._height, 0,
            _INPUT_OUTPUT, _COPY_FROM_PARENT, _CW_BACK_PIXEL, black,
        )  # fmt: skip
        title = b"Television"
        xcb.xcb_change_property(
            connection, _REPLACE, self.id, _ATOM_WM_NAME, _ATOM_STRING, 8, len(title), title
        )
        if not managed:
            below = (ctypes.c_uint32 * 1)(_STACK_BELOW)
            xcb.xcb_configure_window(connection, self.id, _CONFIG_STACK_MODE, below)
        xcb.xcb_map_window(connection, self.id)
        # The answer to any question means that all before it was done.
        _has_window_manager(xcb, connection, screen.root)

    def keep(self, *, kept: bool) -> None:
        """Let X keep what is painted here while something else covers it, or not any more.

        What is kept can be looked at, and is on the screen at once when the window comes forward:
        after 1 ms and never black, instead of with the next picture.  It costs a copy of each
        picture, and what is in front has no use for it.
        """
        wanted = (ctypes.c_uint32 * 1)(_ALWAYS if kept else _NOT_USEFUL)
        self._xcb.xcb_change_window_attributes(self._connection, self.id, _CW_BACKING_STORE, wanted)
        self._xcb.xcb_flush(self._connection)

    def come_forward(self, above: int) -> None:
        """Lie above the window `above`, or above all if that is 0."""
        if above:
            values, mask = (ctypes.c_uint32 * 2)(above, _STACK_ABOVE), _CONFIG_SIBLING | _CONFIG_STACK_MODE
        else:
            values, mask = (ctypes.c_uint32 * 1)(_STACK_ABOVE), _CONFIG_STACK_MODE
        self._xcb.xcb_configure_window(self._connection, self.id, mask, values)
        self._xcb.xcb_flush(self._connection)

    def look(self) -> bytes:
        """Return the pixels of two lines; empty if they are black or cannot be read.

        They cannot be when the window was resized or the output is a hardware overlay, which
        X does not see.  The lines are in the lower half: before it knows the window's size,
        libVLC paints a picture in its own size into the upper left corner.
        """
        lines = b"".join(self._line(self._height * eighths // 8) for eighths in (5, 6))
        return lines if any(lines) else b""

    def _line(self, y: int) -> bytes:
        xcb = self._xcb
        cookie = xcb.xcb_get_image(self._connection, _Z_PIXMAP, self.id, 0, y, self._width, 1, _ALL_PLANES)
        reply = xcb.xcb_get_image_reply(self._connection, cookie, None)
        if not reply:
            return b""
        try:
            return ctypes.string_at(xcb.xcb_get_image_data(reply), xcb.xcb_get_image_data_length(reply))
        finally:
            _free(reply)


def _has_window_manager(xcb: ctypes.CDLL, connection: int, root: int) -> bool:
    """Tell whether the root window names a manager (EWMH, ``_NET_SUPPORTING_WM_CHECK``)."""
    name = b"_NET_SUPPORTING_WM_CHECK"
    cookie = xcb.xcb_intern_atom(connection, 1, len(name), name)
    atom_reply = xcb.xcb_intern_atom_reply(connection, cookie, None)
    if not atom_reply:
        return False
    atom = atom_reply.contents.atom
    _free(atom_reply)
    if not atom:
        return False
    cookie = xcb.xcb_get_property(connection, 0, root, atom, _ATOM_WINDOW, 0, 1)
    reply = xcb.xcb_get_property_reply(connection, cookie, None)
    if not reply:
        return False
    managed = bool(reply.contents.type)
    _free(reply)
    return managed


def _load() -> ctypes.CDLL:
    """Return libxcb with its signatures told: pointers do not fit into a C int."""
    xcb = ctypes.CDLL("libxcb.so.1")
    pointer, u8, u16, u32 = ctypes.c_void_p, ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32
    signatures: dict[str, tuple[object, list[object]]] = {
        "xcb_connect": (pointer, [ctypes.c_char_p, pointer]),
        "xcb_connection_has_error": (ctypes.c_int, [pointer]),
        "xcb_disconnect": (None, [pointer]),
        "xcb_get_setup": (pointer, [pointer]),
        "xcb_setup_roots_iterator": (_ScreenIterator, [pointer]),
        "xcb_generate_id": (u32, [pointer]),
        "xcb_create_window": (
            _Cookie,
            [pointer, u8, u32, u32, ctypes.c_int16, ctypes.c_int16, u16, u16, u16, u16, u32, u32, pointer],
        ),
        "xcb_change_property": (_Cookie, [pointer, u8, u32, u32, u32, u8, u32, ctypes.c_char_p]),
        "xcb_configure_window": (_Cookie, [pointer, u32, u16, pointer]),
        "xcb_get_image": (_Cookie, [pointer, u8, u32, ctypes.c_int16, ctypes.c_int16, u16, u16, u32]),
        "xcb_get_image_reply": (pointer, [pointer, _Cookie, pointer]),
        "xcb_get_image_data": (pointer, [pointer]),
        "xcb_get_image_data_length": (ctypes.c_int, [pointer]),
        "xcb_change_window_attributes": (_Cookie, [pointer, u32, u32, pointer]),
        "xcb_query_tree": (_Cookie, [pointer, u32]),
        "xcb_query_tree_reply": (ctypes.POINTER(_TreeReply), [pointer, _Cookie, pointer]),
        "xcb_query_tree_children": (pointer, [pointer]),
        "xcb_flush": (ctypes.c_int, [pointer]),
        "xcb_map_window": (_Cookie, [pointer, u32]),
        "xcb_intern_atom": (_Cookie, [pointer, u8, u16, ctypes.c_char_p]),
        "xcb_intern_atom_reply": (ctypes.POINTER(_AtomReply), [pointer, _Cookie, pointer]),
        "xcb_get_property": (_Cookie, [pointer, u8, u32, u32, u32, u32, u32]),
        "xcb_get_property_reply": (ctypes.POINTER(_PropertyReply), [pointer, _Cookie, pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(xcb, name)
        function.restype, function.argtypes = result, arguments
    return xcb


def _free(reply: object) -> None:
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]
    free(ctypes.cast(reply, ctypes.c_void_p))  # type: ignore[arg-type]
