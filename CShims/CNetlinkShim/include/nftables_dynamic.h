#pragma once
// Sets that rules fill themselves, with a counter or a limit in every element.
#include "nftables.h"

/// What every element of such a set holds: a counter, or with a `rate` above 0 a limit of so many packets per second and
/// `burst` more at once.
struct outrider_nft_meter {
    uint64_t rate;
    uint32_t burst;
};

/// A hash set for rules to add to. Elements that no packet has touched for `timeout_ms` are removed; above `size` nothing
/// is added, and the rule that would ends there without effect.
void outrider_nft_add_dynamic_set(
    struct outrider_nft_batch *batch, uint8_t family, const char *table, const char *set, uint32_t id,
    const struct outrider_nft_field *fields, size_t count, uint32_t size, uint64_t timeout_ms,
    struct outrider_nft_meter meter);

/// Expression of the open rule: counts the packet in the element whose key starts at `source`, adding it when it is not
/// there. Ends the rule where the element's limit is exceeded. `id` is nonzero for a set of this transaction.
void outrider_nft_update(struct outrider_nft_batch *batch, const char *set, uint32_t id, uint32_t source);
