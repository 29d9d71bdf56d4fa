#pragma once
#include <libmnl/libmnl.h>
#include <netlink/netlink.h>
