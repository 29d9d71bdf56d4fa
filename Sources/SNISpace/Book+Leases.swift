public import NetworkTypes

/// Who leases which blocks. The values are made on demand from what the pages keep.
extension Book {
    func view(_ record: LeaseRecord) -> BlockLease {
        var lease = BlockLease(
            block: record.block, application: accounts.key(record.application), host: hosts.key(record.host),
            epoch: Epoch(record.epoch), predicted: record[.predicted], fromReserved: record[.fromReserved])
        lease.grantEpoch = Epoch(record.grantEpoch)
        lease.state = record.state
        lease.stagedBeforeMark = record[.stagedBeforeMark]
        lease.reason = reasons[record.reason]
        lease.force = record[.force]
        lease.fenced = record[.fenced]
        return lease
    }

    /// The record of exactly this block, or of the sub-lease when its size is 1.
    func record(of block: SNIBlock) -> LeaseRecord? {
        if block.size == 1 { return subleased[block.first.rawValue] }
        guard let place = pages.place(of: plan.chunk(of: block.first)),
            let slot = pages[place].slot(at: block.first.rawValue)
        else { return nil }
        let record = pages[place].records[slot]
        return record.size == block.size ? record : nil
    }

    /// The lease of exactly this block, or the sub-lease when its size is 1.
    public func lease(of block: SNIBlock) -> BlockLease? { record(of: block).map(view) }

    /// The lease around an identifier: its sub-lease if it has one, else its block's.
    public func lease(around sni: SessionNetworkID) -> BlockLease? {
        if !subleased.isEmpty, let record = subleased[sni.rawValue] { return view(record) }
        return blockLease(around: sni)
    }

    /// The lease of the block around an identifier, whoever has the identifier itself.
    public func blockLease(around sni: SessionNetworkID) -> BlockLease? {
        guard let place = pages.place(of: plan.chunk(of: sni)),
            let slot = pages[place].slot(around: sni.rawValue)
        else { return nil }
        return view(pages[place].records[slot])
    }

    /// Leases of an application by block, in any state.
    public func leases(of application: ApplicationID) -> [BlockLease] {
        leases(of: application, from: 0, to: 1 << 24)
    }

    /// Leases of an application that share identifiers with a range, by block.
    public func leases(of application: ApplicationID, touching range: SNIRange) -> [BlockLease] {
        var found = leases(of: application, from: range.first.rawValue, to: range.end)
        if let lease = blockLease(around: range.first), lease.block.first < range.first,
            lease.application == application
        {
            found.insert(lease, at: 0)
        }
        return found
    }

    private func leases(of application: ApplicationID, from first: UInt32, to end: UInt32) -> [BlockLease] {
        guard let number = accounts.number(of: application) else { return [] }
        var found: [BlockLease] = []
        var cursor = first >> UInt32(plan.chunkOrder)
        while let chunk = accounts[number].chunks.next(from: cursor), chunk << UInt32(plan.chunkOrder) < end {
            if let place = pages.place(of: chunk) {
                pages[place].forEachLease(from: first, to: end) { record in
                    if record.application == number { found.append(view(record)) }
                }
            }
            cursor = chunk + 1
        }
        return found
    }

    /// Leases of anybody that share identifiers with a range, by block.
    public func leases(touching range: SNIRange) -> [BlockLease] {
        var found: [BlockLease] = []
        if let lease = blockLease(around: range.first), lease.block.first < range.first { found.append(lease) }
        for chunk in plan.chunk(of: range.first)...plan.chunk(of: range.last) {
            guard let place = pages.place(of: chunk) else { continue }
            pages[place].forEachLease(from: range.first.rawValue, to: range.end) { found.append(view($0)) }
        }
        return found
    }

    /// Leases of a host by block, in any state.
    public func leases(of host: HostID) -> [BlockLease] {
        guard let number = hosts.number(of: host) else { return [] }
        var found: [BlockLease] = []
        found.reserveCapacity(hosts[number].leases)
        var cursor = hosts[number].first
        while cursor != LeaseRecord.end, let place = pages.place(of: cursor >> UInt32(plan.chunkOrder)),
            let slot = pages[place].slot(at: cursor)
        {
            let record = pages[place].records[slot]
            found.append(view(record))
            cursor = record.next
        }
        return found.sorted { $0.block < $1.block }
    }

    public func leaseCount(of host: HostID) -> Int { hosts[host]?.leases ?? 0 }

    /// The next leases by block, in any state.
    ///
    /// - Parameters:
    ///   - block: the last one that is known; nil begins.
    ///   - application: only its leases; nil means everybody's.
    ///   - limit: leases at most. The cost follows from it, and from the chunks of the application that hold none.
    public func leases(
        after block: SNIBlock?, of application: ApplicationID? = nil, limit: Int
    ) -> [BlockLease] {
        var found: [BlockLease] = []
        let number = application.flatMap(accounts.number(of:))
        guard application == nil || number != nil else { return [] }
        let first = block.map { $0.first.rawValue + 1 } ?? 0
        var cursor = first >> UInt32(plan.chunkOrder)
        while found.count < limit {
            let next = number.map { accounts[$0].chunks.next(from: cursor) } ?? pages.next(from: cursor)
            guard let chunk = next else { break }
            if let place = pages.place(of: chunk) {
                pages[place].forEachLease(from: first, to: 1 << 24) { record in
                    guard found.count < limit, number == nil || record.application == number else { return }
                    found.append(view(record))
                }
            }
            cursor = chunk + 1
        }
        return found
    }

    /// By block.
    public var allLeases: [BlockLease] {
        var found: [BlockLease] = []
        found.reserveCapacity(leaseCount)
        pages.forEach { page in page.forEachLease { found.append(view($0)) } }
        return found
    }
}

extension BlockLease {
    /// Peers' kernels carry it.
    var isCarried: Bool { state.isCarried }
}
