import Allocation
import NetworkTypes
import SNISpace

/// Predictive Allocator: the rule of the `Allocation` module, applied to the book every decision interval.
extension CoordinatorMachine {
    /// Marks and reservations that one decision about one application may make: a wrong forecast must not turn the
    /// whole fleet over at once.
    static let changesPerDecisionMax = 64

    mutating func decideAll() {
        live.timers.arm(.decision, at: now + configuration.decisionInterval)
        live.decidedAt = now
        live.places.follow(state.bindings.boundByHost, of: state.hosts.keys)
        guard !state.restoration.isOn, configuration.profiler != .alone else { return }
        pursueMigrations()
        drainExcluded()
        for id in state.applications.keys.sorted() {
            guard let record = state.applications[id] else { continue }
            if record.deleting { proceedWithDeletion(of: id) } else { decide(record) }
        }
    }

    private mutating func decide(_ record: ApplicationRecord) {
        let allocator = PredictiveAllocator(settings: settings(for: record))
        let input = input(for: record)
        var memory = live.memories[record.id] ?? AllocationMemory()
        var decision = allocator.decide(input, memory: &memory, at: now)
        let promised = promisedBlocks(of: record.id)
        decision.releases.removeAll { release in promised.contains { $0.range.overlaps(release.block.range) } }
        live.memories[record.id] = memory
        live.decisions[record.id] = decision
        live.refusedLaunches[record.id] = nil
        carryOut(decision, interval: configuration.decisionInterval)
        if input.outlook != nil { follow(decision) }
    }

    func settings(for record: ApplicationRecord) -> AllocationSettings {
        let horizons = configuration.horizons.sorted()
        var settings = AllocationSettings(
            blockSize: blockSize(of: record.id), decisionInterval: configuration.decisionInterval,
            leadTime: configuration.leadTime,
            // An hour of the default horizons: what is asked back within it is not worth a handshake.
            releaseHorizon: horizons[min(2, horizons.count - 1)], releaseHold: configuration.standardLifetime,
            reservationLifetime: configuration.reservationLifetime, standardLifetime: configuration.standardLifetime)
        settings.isBlockSizeFixed = record.policy.blockSize != nil
        settings.measuredLead = live.places.lead.value
        return settings
    }

    func input(for record: ApplicationRecord) -> AllocationInput {
        let size = blockSize(of: record.id)
        var demands: [HostID: HostDemand] = [:]
        for host in state.hosts.keys {
            let recent = state.recentLaunches[record.id]?[host]?.value(at: state.time(of: state.slot)) ?? 0
            demands[host] = HostDemand(
                host: host, recentLaunches: recent, weight: configuration.hostWeights[host] ?? 1,
                acceptsLeases: mayLease(host))
        }
        let outlook = outlook(for: record)
        let blocks = ownedBlocks(of: record.id, size: outlook == nil ? size : nil).map { owned in
            guard let host = owned.host else { return owned }
            var owned = owned
            let use = state.bindings.use(of: owned.block)
            demands[host]?.inUse += use.inUse
            demands[host]?.cooling += use.cooling
            owned.inUse = use.inUse
            owned.cooling = use.cooling
            owned.idleSince = live.idleSince[owned.block.key]
            return owned
        }
        if let outlook {
            // What lies where nothing is expected is looked at as well.
            let carriers = Set(blocks.compactMap(\.host))
            demands = demands.filter { outlook.seats[$0.key] != nil || carriers.contains($0.key) }
        }
        return AllocationInput(
            application: record.id, policy: policy(of: record),
            hosts: demands.values.sorted { $0.host < $1.host }, blocks: blocks,
            pendingElsewhere: live.refusedLaunches[record.id] ?? 0,
            forecast: state.series[record.id] ?? told(of: record.id, at: now), outlook: outlook,
            returning: live.recalled.identifiers(of: record.id))
    }

    /// What is left of reservations that a caller asked for: theirs until they expire.
    private func promisedBlocks(of application: ApplicationID) -> [SNIBlock] {
        claims(of: application).filter(\.requested).flatMap { pieces(of: $0.id) }
    }

    private func policy(of record: ApplicationRecord) -> AllocationPolicy {
        AllocationPolicy(
            priority: record.policy.priority, mode: record.policy.mode, floor: record.policy.floor,
            cap: record.policy.cap == 0 ? nil : record.policy.cap,
            lowWatermark: record.policy.lowWatermark,
            highWatermark: record.policy.highWatermark, threshold: record.policy.threshold)
    }
}
