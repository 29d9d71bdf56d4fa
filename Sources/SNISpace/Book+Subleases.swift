public import NetworkTypes

/// Sub-leases: single identifiers of a leased block at another host; see ``Book``.
extension Book {
    /// Leases one identifier of a leased or staged block to the host that a VM migrates to. Its VNI is the identifier.
    ///
    /// - Throws: `subleased` while an earlier sub-lease of the identifier lives, `unknownBlock` when nobody leases the
    ///   block around it, `wrongState` when that block is on its way out, `invalid` for the host that holds it already.
    public func sublease(_ sni: SessionNetworkID, to host: HostID) throws(BookError) -> [BookEvent] {
        let single = SNIBlock(unit: sni)
        guard subleased[sni.rawValue] == nil else { throw .subleased(single, count: 1) }
        guard let around = blockLease(around: sni) else { throw .unknownBlock(single) }
        try check(around.block, .sublease)
        guard around.host != host else { throw .invalid(field: "host", why: "\(host) holds \(around.block) already") }
        let lease = BlockLease(
            block: single, application: around.application, host: host, epoch: lastEpoch.next, predicted: false,
            fromReserved: true)
        return [.subleased(lease)]
    }

    /// Living sub-leases inside a block, by identifier, in any state.
    public func subleases(of block: SNIBlock) -> [BlockLease] {
        guard !subleaseFirsts.isEmpty else { return [] }
        var found: [BlockLease] = []
        var cursor = block.first.rawValue
        while let sni = subleaseFirsts.next(from: cursor), sni < block.range.end {
            if let record = subleased[sni] { found.append(view(record)) }
            cursor = sni + 1
        }
        return found
    }

    /// Living sub-leases that a host holds, by identifier.
    public func subleases(of host: HostID) -> [BlockLease] {
        hosts[host].map { $0.subleases.compactMap { subleased[$0].map(view) } } ?? []
    }

    /// Living sub-leases of an application, by identifier.
    public func subleases(of application: ApplicationID) -> [BlockLease] {
        guard let number = accounts.number(of: application) else { return [] }
        return accounts[number].chunks.flatMap { chunk in
            let low = chunk << UInt32(plan.chunkOrder)
            return subleases(of: SNIBlock(aligned: low, order: plan.chunkOrder)).filter {
                $0.application == application
            }
        }
    }

    /// By identifier.
    public var allSubleases: [BlockLease] { subleaseFirsts.compactMap { subleased[$0].map(view) } }

    mutating func insertSublease(_ lease: BlockLease) {
        let sni = lease.block.first.rawValue
        precondition(subleased[sni] == nil, "\(sni) is sub-leased twice")
        guard let application = accounts.number(of: lease.application) else {
            preconditionFailure("\(sni) is sub-leased for \(lease.application), which owns nothing")
        }
        let host = hosts.intern(lease.host, Holder())
        hosts[host].subleases.insert(sni)
        subleased[sni] = LeaseRecord(
            lease, application: application, host: host, reason: reasons.retain(lease.reason))
        subleaseFirsts.insert(sni)
    }

    mutating func applySubleaseFreed(_ block: SNIBlock) {
        guard let record = subleased.removeValue(forKey: block.first.rawValue) else {
            preconditionFailure("\(block) is freed and was not leased")
        }
        subleaseFirsts.remove(record.first)
        reasons.release(record.reason)
        hosts[record.host].subleases.remove(record.first)
        dismiss(record.host)
    }
}
