import NetworkTypes
public import SNISpace

/// What of the sharding document outlives the process, beside the book.
struct ShardingState: Hashable, Sendable, Codable {
    /// Of the document that was applied last; 1 before any.
    var version: UInt64 = 1
    var thresholds = TemperatureThresholds.standard
}

/// The sharding document: export, compare, apply.
extension CoordinatorMachine {
    /// The document in force. Reads every application.
    public func sharding() -> ShardingConfiguration {
        state.book.sharding(version: state.sharding.version, thresholds: state.sharding.thresholds)
    }

    /// What differs between the document in force and another one.
    ///
    /// - Throws: `newerSharding` for a document that this program does not understand, `invalid`.
    public func shardingDifference(
        to document: ShardingConfiguration
    ) throws(CoordinatorError) -> ShardingDifference {
        do throws(ShardingError) {
            try document.checkFormat()
        } catch {
            throw CoordinatorError(error)
        }
        return document.diff(from: sharding())
    }

    mutating func applySharding(_ document: ShardingConfiguration) throws(CoordinatorError) -> Reply {
        guard !state.restoration.isOn else { throw .restoring(awaited: state.restoration.awaited.sorted()) }
        let inForce = sharding()
        let events: [BookEvent]
        do throws(ShardingError) {
            events = try state.book.apply(document, over: inForce)
        } catch {
            throw CoordinatorError(error)
        }
        commit(events)
        commit(.shardingApplied(version: document.version, thresholds: document.thresholds))
        drainExcluded()
        var difference = document.diff(from: inForce)
        // Ranges follow from reservations: a document tells them and never moves them.
        difference.shards = []
        notice(
            .info, "sharding",
            "document \(document.version) is in force: \(difference.excluded.count) ranges leave the pool,"
                + " \(difference.included.count) come back")
        return .sharding(difference, excludingLeft: state.book.excludingLeft)
    }

    /// What nobody uses of the ranges that leave the pool: reserved identifiers return, blocks go through reclamation.
    /// What is in use stays until it is not; this is asked again with every decision.
    mutating func drainExcluded() {
        guard state.book.excludingLeft > 0 else { return }
        for excluded in state.book.excluding {
            // Nothing smaller than four identifiers is owned.
            let first = excluded.first.rawValue & ~3
            let range = SNIRange(unchecked: first, count: Int((excluded.end + 3) & ~3 - first))
            for idle in state.book.idleBlocks(touching: range) {
                try? book { (book) throws(BookError) in try book.unreserve(idle.block, of: idle.application) }
            }
            for lease in state.book.leases(touching: range) where lease.state == .leased || lease.state == .staged {
                guard live.hosts[lease.host]?.reach == .connected, state.bindings.use(of: lease.block) == .init(),
                    state.book.subleases(of: lease.block).isEmpty
                else { continue }
                mark(lease.block, reason: "its range leaves the pool", force: false)
            }
        }
    }
}

extension CoordinatorError {
    init(_ error: ShardingError) {
        switch error {
        case .newerFormat(let found, let supported): self = .newerSharding(found: found, supported: supported)
        case .stale(let version, let inForce): self = .staleSharding(version: version, inForce: inForce)
        case .anotherPool(let field): self = .anotherPool(field: field)
        case .refused(let error): self = CoordinatorError(error)
        }
    }
}
