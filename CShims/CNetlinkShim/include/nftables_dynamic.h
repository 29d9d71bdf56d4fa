#pragma once
// Sets that rules fill themselves, with a counter in every element.
#include "nftables.h"

/// A hash set for rules to add to. Elements that no packet has touched for `timeout_ms` are removed; above `size` nothing
/// is added, and the rule that would ends there without effect.
void outrider_nft_add_dynamic_set(
    struct outrider_nft_batch *batch, uint8_t family, const char *table, const char *set, uint32_t id,
    const struct outrider_nft_field *fields, size_t count, uint32_t size, uint64_t timeout_ms);

/// Expression of the open rule: counts the packet in the element whose key starts at `source`, adding it when it is not
/// there. `id` is nonzero for a set of this transaction.
void outrider_nft_update(struct outrider_nft_batch *batch, const char *set, uint32_t id, uint32_t source);
