import NetworkTypes

/// Leases of one chunk. Blocks have at most 64 granules and are aligned: none crosses a word of the bit maps.
extension Page {
    private func mask(_ granule: UInt32, order: Int) -> UInt64 {
        let count = UInt64(1) << UInt64(order - 2)
        return (count == 64 ? UInt64.max : 1 << count - 1) << UInt64(granule & 63)
    }

    private func granule(_ first: UInt32) -> UInt32 { (first - base) >> 2 }

    /// Where the record of the lease around an identifier stands.
    func slot(around sni: UInt32) -> Int? {
        let granule = granule(sni)
        let below = starts[Int(granule >> 6)] << UInt64(63 - granule & 63)
        guard below != 0 else { return nil }
        let slot = Int(slots[Int(granule) - below.leadingZeroBitCount])
        return records[slot].end > sni ? slot : nil
    }

    /// Where the record of the lease that begins with an identifier stands.
    func slot(at first: UInt32) -> Int? {
        let granule = granule(first)
        return starts[Int(granule >> 6)] >> UInt64(granule & 63) & 1 == 0 ? nil : Int(slots[Int(granule)])
    }

    mutating func insert(_ record: LeaseRecord) {
        let granule = granule(record.first)
        starts[Int(granule >> 6)] |= 1 << UInt64(granule & 63)
        slots[Int(granule)] = UInt16(records.count)
        records.append(record)
        setCarried(record, record.state.isCarried)
    }

    mutating func remove(slot: Int) {
        let record = records[slot]
        setCarried(record, false)
        let granule = granule(record.first)
        starts[Int(granule >> 6)] &= ~(1 << UInt64(granule & 63))
        let last = records.removeLast()
        if last.first != record.first {
            records[slot] = last
            slots[Int(self.granule(last.first))] = UInt16(slot)
        }
    }

    mutating func setCarried(_ record: LeaseRecord, _ isCarried: Bool) {
        let granule = granule(record.first)
        let bits = mask(granule, order: Int(record.order))
        if isCarried { carried[Int(granule >> 6)] |= bits } else { carried[Int(granule >> 6)] &= ~bits }
    }

    /// Calls `body` with the leases that begin inside a range, ascending.
    @inline(__always)
    func forEachLease(from first: UInt32, to end: UInt32, _ body: (LeaseRecord) -> Void) {
        var cursor = granule(max(first, base) + 3)
        let last = min(1 << UInt32(depth), (min(end, base + 4 << UInt32(depth)) - base + 3) >> 2)
        while cursor < last {
            let word = starts[Int(cursor >> 6)] & UInt64.max << UInt64(cursor & 63)
            if word != 0 {
                cursor = cursor & ~63 + UInt32(word.trailingZeroBitCount)
                if cursor >= last { return }
                body(records[Int(slots[Int(cursor)])])
                cursor += 1
            } else {
                cursor = cursor & ~63 + 64
            }
        }
    }

    @inline(__always)
    func forEachLease(_ body: (LeaseRecord) -> Void) {
        forEachLease(from: base, to: base + 4 << UInt32(depth), body)
    }

    /// What peers carry, as runs of identifiers, ascending; of one application.
    func carriedRuns(of application: UInt32) -> [Range<UInt32>] {
        var runs: [Range<UInt32>] = []
        if tenants.count > 1 {
            forEachLease { lease in
                guard lease.application == application, lease.state.isCarried else { return }
                Self.append(lease.first..<lease.end, to: &runs)
            }
            return runs
        }
        for (place, word) in carried.enumerated() {
            var rest = word
            while rest != 0 {
                let low = rest.trailingZeroBitCount
                let length = (~(rest >> UInt64(low))).trailingZeroBitCount
                let first = base + UInt32(place * 64 + low) << 2
                Self.append(first..<first + UInt32(length) << 2, to: &runs)
                if low + length == 64 { break }
                rest &= UInt64.max << UInt64(low + length)
            }
        }
        return runs
    }

    /// Joins a run that follows the last one.
    static func append(_ run: Range<UInt32>, to runs: inout [Range<UInt32>]) {
        if let last = runs.last, last.upperBound == run.lowerBound {
            runs[runs.count - 1] = last.lowerBound..<run.upperBound
        } else {
            runs.append(run)
        }
    }
}
