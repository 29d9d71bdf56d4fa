#pragma once
// Netlink in plain integers and structs: sockets, message building and message parsing. Builders write one whole
// message into the caller's buffer and return its length or a negative errno (-ENOBUFS: buffer too small). Parsers take
// one whole message and return 0 or a negative errno. None of them keeps state or prints.
#include "echo.h"
#include "nl_socket.h"
#include "datagram.h"
#if __has_include("nl_links.h")
#include "nl_links.h"
#include "nl_routing.h"
#include "telemetry.h"
#endif
#if __has_include("nftables.h")
#include "nftables.h"
#include "nftables_dynamic.h"
#endif
