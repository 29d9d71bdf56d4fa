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
        let outlook = outlook(for: record)
        let blocks = blocks(of: record.id, isOutlookKnown: outlook != nil)
        var hosts: Set<HostID> = []
        for case let host? in blocks.map(\.host) { hosts.insert(host) }
        if let outlook {
            hosts.formUnion(outlook.seats.keys)
        } else {
            hosts.formUnion((state.recentLaunches[record.id] ?? [:]).keys)
        }
        let input = AllocationInput(
            application: record.id, policy: policy(of: record), hosts: demands(on: hosts, of: record.id, blocks),
            blocks: blocks, pendingElsewhere: live.refusedLaunches[record.id] ?? 0,
            forecast: state.series[record.id] ?? told(of: record.id, at: now), outlook: outlook,
            returning: live.recalled.identifiers(of: record.id), isFleetOpen: state.hosts.keys.contains(where: mayLease)
        )
        // A fleet has many applications that most of its hosts have never heard of.
        guard PredictiveAllocator(settings: settings(for: record)).concernsEveryHost(input) else { return input }
        return fullInput(input)
    }

    /// The same with hosts of which nothing is known.
    func fullInput(_ input: AllocationInput) -> AllocationInput {
        var full = input
        full.hosts = demands(on: state.hosts.keys, of: input.application, input.blocks)
        return full
    }

    private func demands(
        on hosts: some Sequence<HostID>, of application: ApplicationID, _ blocks: [OwnedBlock]
    ) -> [HostDemand] {
        let recent = state.recentLaunches[application] ?? [:]
        let time = state.time(of: state.slot)
        var demands: [HostID: HostDemand] = [:]
        for host in hosts where state.hosts[host] != nil {
            demands[host] = HostDemand(
                host: host, recentLaunches: recent[host]?.value(at: time) ?? 0,
                weight: configuration.hostWeights[host] ?? 1, acceptsLeases: mayLease(host))
        }
        for block in blocks {
            guard let host = block.host else { continue }
            demands[host]?.inUse += block.inUse
            demands[host]?.cooling += block.cooling
        }
        return demands.values.sorted { $0.host < $1.host }
    }

    /// - Parameter isOutlookKnown: reserved ones are whole then; else cut to the size of leases.
    private func blocks(of application: ApplicationID, isOutlookKnown: Bool) -> [OwnedBlock] {
        ownedBlocks(of: application, size: isOutlookKnown ? nil : blockSize(of: application)).map { owned in
            guard owned.host != nil else { return owned }
            var owned = owned
            let use = state.bindings.use(of: owned.block)
            owned.inUse = use.inUse
            owned.cooling = use.cooling
            owned.idleSince = live.idleSince[owned.block.key]
            return owned
        }
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
