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
        var found: [BlockLease] = []
        var cursor = block.first.rawValue
        while let sni = subleaseFirsts.next(from: cursor), sni < block.range.end {
            if let lease = subleased[sni] { found.append(lease) }
            cursor = sni + 1
        }
        return found
    }

    /// Living sub-leases that a host holds, by identifier.
    public func subleases(of host: HostID) -> [BlockLease] { allSubleases.filter { $0.host == host } }

    /// Living sub-leases of an application, by identifier.
    public func subleases(of application: ApplicationID) -> [BlockLease] {
        allSubleases.filter { $0.application == application }
    }

    /// By identifier.
    public var allSubleases: [BlockLease] { subleaseFirsts.compactMap { subleased[$0] } }

    mutating func applySubleased(_ lease: BlockLease) {
        lastEpoch = max(lastEpoch, lease.epoch)
        insertSublease(lease)
    }

    mutating func insertSublease(_ lease: BlockLease) {
        let sni = lease.block.first.rawValue
        precondition(subleased[sni] == nil, "\(sni) is sub-leased twice")
        subleased[sni] = lease
        subleaseFirsts.insert(sni)
        guard lease.isCarried else { return }
        // Its block may have been drained meanwhile.
        if accounts[lease.application]?.active.enclosing(lease.block) == nil {
            accounts[lease.application]?.active.insert(lease.block)
        }
    }

    mutating func applySubleaseFreed(_ block: SNIBlock) {
        guard subleased.removeValue(forKey: block.first.rawValue) != nil else {
            preconditionFailure("\(block) is freed and was not leased")
        }
        subleaseFirsts.remove(block.first.rawValue)
    }

    /// After a drain: peers stop to carry the block, except for what others of its leases keep alive.
    mutating func deactivate(_ block: SNIBlock) {
        if block.size == 1 {
            guard let around = blockLease(around: block.first), !around.isCarried else { return }
            accounts[around.application]?.active.remove(block)
        } else if let owner = leases[block.first.rawValue]?.application {
            accounts[owner]?.active.remove(block)
            for lease in subleases(of: block) where lease.isCarried { accounts[owner]?.active.insert(lease.block) }
        }
    }
}

extension BlockLease {
    /// Peers' kernels carry it.
    var isCarried: Bool { state == .leased || state == .staged || state == .marked }
}

extension SNIBlock {
    /// The block of one identifier.
    init(unit sni: SessionNetworkID) {
        guard let block = SNIBlock(first: sni, size: 1) else { preconditionFailure("\(sni) is no block of one") }
        self = block
    }
}
