import AgentCore
import CoordinatorCore
import Dataplane
import FleetProtocol
import NetworkTypes
import SNISpace

/// Migrations, by all that the design says of them: one VM interface that runs at one of two hosts, an address that only
/// the guest's own voice moves, and an identifier that is nobody's before it is home.
extension World {
    // MARK: Invariant 1

    /// The ports at both ends of a migration are one VM interface: its VM runs at one of them.
    func isOneMigratingInterface(_ sni: UInt32, on holders: [Int]) -> Bool {
        guard let migration = checks.ledger.migrations[sni] ?? forgottenMigration(of: sni) else { return false }
        return holders.allSatisfy { holder in
            let name = hosts[holder].name
            return (name == migration.source || name == migration.destination)
                && hosts[holder].kernel.links[sni]?.interface == migration.interface
        }
    }

    /// A migration that a backup does not have. While its store is restored no kernel is changed, so peers that had not
    /// heard of the flip, or cannot be reached, still send to the source.
    private func forgottenMigration(of sni: UInt32) -> Migration? {
        guard let migration = checks.forgotten[sni],
            !checks.ledger.isRestored(between: migration.source, and: migration.destination)
        else { return nil }
        return migration
    }

    /// The destination's port is closed until the guest was heard there.
    mutating func checkOpening(of sni: UInt32, on host: Int) {
        guard let migration = checks.ledger.migrations[sni], migration.destination == hosts[host].name,
            hosts[host].kernel.isActive(sni), hosts[host].kernel.links[sni]?.interface == migration.interface,
            !checks.heard[host].contains(sni)
        else { return }
        violate(1, "host \(host) opens the port of \(sni), and its guest was not heard there")
    }

    // MARK: Invariant 2

    /// A sub-lease is for one VM; what has left its block, by the word of either end, is not bound there.
    mutating func checkPlace(of binding: BindingRecord, isResumed: Bool, on host: Int) {
        // A book that was restored may tell of a migration that ended since.
        if wasRestored, checks.views[host].position.generation < checks.ledger.generation { return }
        let sni = binding.sni.rawValue
        let leaves = checks.views[host].departures[sni]
        guard let migration = checks.ledger.migrations[sni] else { return }
        let name = hosts[host].name
        if name == migration.destination, binding.interface != migration.interface {
            violate(2, "host \(host) binds \(sni) to \(binding.interface), it came with \(migration.interface)")
        }
        guard name == migration.source else { return }
        if !isResumed, leaves != nil || migration.isSourceReady {
            violate(4, "host \(host) binds \(sni), which is on its way to \(migration.destination)")
        }
        if !isResumed, let other = mayBindAway(sni, for: migration) {
            violate(4, "host \(host) binds \(sni), which host \(other) may bind, too")
        }
        // An old book tells of a migration that ended; the identifier is held by another VM since.
        let isOver = wasRestored && isResumed && binding.interface != migration.interface
        if migration.phase != .preparing, !isOver {
            violate(2, "host \(host) binds \(sni), whose VM runs at \(migration.destination)")
        }
    }

    /// The destination, when its journal lets it bind the identifier.
    private func mayBindAway(_ sni: UInt32, for migration: Migration) -> Int? {
        let single = SNIBlock(first: migration.sni, size: 1)
        return hosts.indices.first { index in
            guard hosts[index].name == migration.destination, let single,
                let lease = checks.views[index].leases[single]
            else { return false }
            return !lease.isDrained && !lease.isOrphan && !(lease.isMarked && lease.isForced)
        }
    }

    /// A destination hears of its sub-lease once the source cannot give the identifier to another VM.
    mutating func checkIncoming(_ order: LeaseOrder, on host: Int) {
        guard order.block.size == 1, let interface = order.incoming, !(order.marked && order.force) else { return }
        let sni = order.block.first.rawValue
        guard let migration = checks.ledger.migrations[sni], migration.interface == interface,
            let source = hosts.first(where: { $0.name == migration.source && $0.original == nil })
        else { return }
        guard let binding = checks.views[source.index].bindings[sni], !binding.isCooling,
            binding.interface != interface
        else { return }
        violate(
            4, "host \(host) may bind \(sni) for \(interface), it is \(binding.interface)'s on host \(source.index)")
    }

    /// Nobody waits for the word of a host that was told of nothing.
    mutating func checkTaken(_ block: SNIBlock) {
        guard block.size == 1, !wasRestored, let lease = checks.ledger.leases[block],
            checks.ledger.fences[lease.host]?.isComplete != true
        else { return }
        for host in hosts where host.name == lease.host && checks.views[host.index].leases[block] != nil {
            violate(4, "\(block) drains without the word of \(host.name), which has it")
        }
    }

    // MARK: Events

    mutating func checkBefore(_ event: MigrationEvent) {
        switch event {
        case .started(let migration):
            probes.hit(.migrationStarted)
            // One that a restored book learns of began before, and its guest may have spoken since.
            for host in hosts.indices where migration.phase == .preparing && !migration.isSourceReady {
                checks.heard[host].remove(migration.sni.rawValue)
            }
        case .sourceReady: break
        case .aborted(let sni):
            probes.hit(.migrationAborted)
            if checks.ledger.migrations[sni.rawValue]?.isSourceReady == false { probes.hit(.abortedBeforeSource) }
        case .flipped(let sni):
            guard let migration = checks.ledger.migrations[sni.rawValue] else { return }
            let isHeard = hosts.contains {
                $0.name == migration.destination && checks.heard[$0.index].contains(sni.rawValue)
            }
            if !isHeard { violate(1, "\(sni) counts as arrived at \(migration.destination), its guest was not heard") }
        case .dropped(let sni): checkDropped(sni)
        }
    }

    /// Everybody who can be reached sends to the new place, the old one included.
    private mutating func checkDropped(_ sni: SessionNetworkID) {
        probes.hit(.flipDropped)
        guard let migration = checks.ledger.migrations[sni.rawValue],
            let lease = checks.ledger.sublease(of: sni.rawValue), lease.state.isActive,
            // Nobody routes to a host that is being cut off.
            !checks.ledger.everFenced.contains(migration.destination),
            let target = hosts.first(where: { $0.name == migration.destination && $0.original == nil })
        else { return }
        for host in hosts where host.isUp && host.original == nil && host.name != migration.destination {
            guard isPeer(host.name, of: lease.application) || host.name == migration.source,
                !isExcused(host.index), host.agent?.identity == checks.contacts[host.index].identity,
                let route = host.kernel.route(to: sni.rawValue), !target.addresses.contains(route.vtep)
            else { continue }
            violate(7, "\(host.name) can be reached and sends \(sni) to \(route.vtep), it runs at \(target.name)")
        }
    }

    private func isPeer(_ host: HostID, of application: ApplicationID) -> Bool {
        checks.ledger.leases.values.contains {
            $0.host == host && $0.application == application && $0.state.isActive
        }
    }

    mutating func checkForce(on block: SNIBlock, reason: String) {
        if reason == "by hand" || checks.ledger.migrations[block.first.rawValue]?.isAborted == true { return }
        violate(8, "\(block) is taken by force, and its migration was not aborted: \(reason)")
    }

    /// Nobody but the source may have it.
    mutating func checkSublease(_ lease: BlockLease) {
        let sni = lease.block.first.rawValue
        guard let migration = checks.ledger.migrations[sni] else { return }
        for holder in checks.holders[sni] ?? [] where hosts[holder].name != migration.source {
            guard checks.ledger.fences[hosts[holder].name]?.isComplete != true,
                // After a restore the book learns where a VM has gone.
                !(wasRestored && hosts[holder].name == lease.host)
            else { continue }
            violate(4, "\(sni) goes to \(lease.host) while host \(holder) carries a port of it")
        }
    }

    mutating func checkHomecoming(_ lease: Ledger.Lease) {
        probes.hit(.identifierCameHome)
        let sni = lease.block.first.rawValue
        for holder in checks.holders[sni] ?? [] where hosts[holder].name == lease.host {
            guard !lease.isFenced else { continue }
            violate(4, "\(sni) comes home while host \(holder) carries a port of it")
        }
    }

    mutating func noteFrozenEnd(_ name: HostID) {
        let isUnderWay = checks.ledger.migrations.values.contains {
            $0.phase == .preparing && ($0.source == name || $0.destination == name)
        }
        if isUnderWay { probes.hit(.frozenMidway) }
    }

    mutating func noteFencedEnd(_ name: HostID) {
        for migration in checks.ledger.migrations.values where migration.phase == .preparing {
            if migration.source == name { probes.hit(.sourceFencedMidway) }
            if migration.destination == name { probes.hit(.destinationFencedMidway) }
        }
        if checks.ledger.migrations.values.contains(where: { $0.source == name && $0.phase != .preparing }) {
            probes.hit(.sourceLostAfterFlip)
        }
    }

    /// The book's migrations against the ledger's.
    mutating func compareMigrations(_ listed: [MigrationInfo]) {
        if listed.count != checks.ledger.migrations.count {
            violate(5, "the book has \(listed.count) migrations, the ledger \(checks.ledger.migrations.count)")
        }
        for info in listed {
            let sni = info.migration.sni.rawValue
            if checks.ledger.migrations[sni] != info.migration {
                violate(5, "the book has \(info.migration), the ledger differs")
            }
            if checks.ledger.sublease(of: sni)?.state != info.leaseState {
                violate(
                    5, "the book has the sub-lease of \(sni) as \(info.leaseState, default: "none"), the ledger differs"
                )
            }
        }
    }

    // MARK: Packets

    /// What reaches the old place of a VM that moved is sent on, under the identifier as VNI.
    func forwarded(
        by host: Int, _ source: UInt32, to destination: UInt32, along route: RemoteRoute, from vtep: IPAddress
    ) -> Delivery? {
        // In place: every packet comes by here, and hardly one is forwarded.
        guard let way = hosts[host].kernel.forwards[destination], way.block == route.block,
            hosts[host].kernel.locals[way.block] != nil, hosts[host].kernel.knows(vtep),
            hosts[host].kernel.permits(from: source, to: destination),
            let onward = hosts[host].kernel.route(to: destination), onward.block.size == 1
        else { return nil }
        for target in hosts.indices
        where target != host && hosts[target].isUp && hosts[target].addresses.contains(onward.vtep) {
            guard hosts[target].kernel.admits(destination, vni: onward.block.first.rawValue),
                hosts[target].kernel.isActive(destination), hosts[target].kernel.knows(hosts[host].sender),
                hosts[target].kernel.permits(from: source, to: destination),
                let port = hosts[target].kernel.ports[destination]
            else { continue }
            return .delivered(target, port)
        }
        return nil
    }

    /// The way over an old place changed: it matters to everybody who sends there.
    mutating func checkCrossings(forwardedTo sni: UInt32, by host: Int) {
        guard hosts[host].kernel.forwards[sni] != nil, checks.holders[sni] != nil else { return }
        for source in checks.ports { check(source, to: sni) }
    }

    // MARK: Liveness

    /// Migrations end: the VM is at its new place and everybody knows, or the identifier is home.
    func unfinishedJourney() -> String? {
        if let journey = journeys.first(where: { !$0.isOver }) { return "\(journey.interface) is on its way" }
        for migration in checks.ledger.migrations.values.sorted(by: { $0.sni < $1.sni }) {
            if migration.phase == .preparing, checks.ledger.sublease(of: migration.sni.rawValue)?.state.isActive == true
            {
                return "the migration of \(migration.sni) is not decided"
            }
            if migration.phase == .flipped { return "\(migration.sni) is forwarded still" }
            let isLeft = hosts.contains {
                $0.name == migration.source && $0.kernel.links[migration.sni.rawValue]?.interface == migration.interface
            }
            if isLeft, migration.phase == .dropped { return "\(migration.sni) has a port where it was" }
        }
        for host in hosts where host.original == nil {
            if let sni = host.kernel.forwards.keys.min() { return "\(host.name) forwards \(sni)" }
            if let port = host.kernel.ports.values.first(where: \.standby) {
                return "\(host.name) waits for \(port.sni)"
            }
            if let route = host.kernel.remotes.values.first(where: \.standby) {
                return "\(host.name) has the way to \(route.block) on standby"
            }
        }
        return nil
    }
}
