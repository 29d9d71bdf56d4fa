import FleetProtocol
import NetworkTypes
import SNISpace
import SimulationKit
import Testing

@testable import CoordinatorCore

/// Silence, fences, returns, migrations and restarts in any order; then the faults end and everything agrees.
@Suite struct ProtocolPropertyTests {
    @Test func convergesAfterEveryKindOfTrouble() throws {
        var reached: Set<String> = []
        try property("fences, migrations, debts", iterations: 24) { generator in
            let fleet = try Fleet(hosts: 5)
            fleet.start()
            var apps: [ApplicationID] = []
            for name in ["web", "data"] { apps.append(try fleet.application(name)) }
            var request: UInt64 = 0
            for _ in 0..<200 {
                guard let host = generator.pick(from: fleet.names), let app = generator.pick(from: apps) else {
                    continue
                }
                request += 1
                try Self.step(fleet, host, app, request, &generator)
                try Self.safe(fleet)
            }
            try Self.heal(fleet, &generator)
            reached.formUnion(fleet.notices.map(\.code))
        }
        // A run that never gets there proves nothing about it.
        let expected: Set<String> = [
            "host-fenced", "fence-cancelled", "host-withdraws", "host-returned", "debt-repaid", "migration", "migrated",
            "drain-refused", "drain-timeout",
        ]
        #expect(expected.subtracting(reached).isEmpty)
    }

    private static func step(
        _ fleet: Fleet, _ host: HostID, _ app: ApplicationID, _ request: UInt64, _ generator: inout SeededGenerator
    ) throws {
        switch generator.integer(in: 0...16) {
        case 0, 1: _ = fleet.lease(app, on: host, request: request)
        case 2, 3, 4: fleet.acknowledge(host)
        case 5:
            let target = ReclaimTarget.application(app.description)
            _ = fleet.command(.reclaim(target, dryRun: false, reason: "test", force: false))
        case 6, 7: answerMarks(of: host, in: fleet, &generator)
        case 8: fleet.disconnect(host)
        case 9: if fleet.agents[host]?.stream == nil { fleet.connect(host) }
        case 10, 11: pass(generator.integer(in: 1...12), fleet, &generator)
        case 12: try launchOrStop(on: host, in: fleet, &generator)
        case 13:
            let proof = generator.pick(from: FenceProof.allCases) ?? .poweredOff
            // Proof is proof: the machine is off, and its VMs with it.
            guard fleet.agents[host]?.stream == nil else { return }
            _ = fleet.command(.fenceHost(host, proof: proof, reason: "test"))
        case 14: try migrate(from: host, in: fleet, &generator)
        case 15: try arriveOrEnd(on: host, in: fleet, &generator)
        default: if generator.chance(0.3) { try fleet.restart(fromSnapshot: generator.chance(0.5)) }
        }
    }

    /// Whoever is connected speaks now and then.
    private static func pass(_ seconds: Int, _ fleet: Fleet, _ generator: inout SeededGenerator) {
        fleet.pass(.seconds(seconds))
        for host in fleet.names where generator.chance(0.8) { fleet.say(.hostReport(HostReport()), from: host) }
    }

    private static func answerMarks(of host: HostID, in fleet: Fleet, _ generator: inout SeededGenerator) {
        for lease in (fleet.agents[host]?.leases ?? [:]).values.sorted(by: { $0.block < $1.block }) where lease.marked {
            let departed = fleet.agents[host]?.departures ?? [:]
            let users = (fleet.agents[host]?.bindings ?? [:]).keys.filter { sni in
                guard lease.block.contains(sni) else { return false }
                return lease.block.size == 1 || departed[sni]?.phase ?? .preparing == .preparing
            }
            if lease.force {
                for sni in users { fleet.agents[host]?.bindings[sni] = nil }
            }
            let isFree = users.isEmpty || lease.force
            let outcome: DrainAnswer.Outcome =
                isFree && generator.chance(0.7) ? .drained : .refused(reason: "in use", users: [])
            fleet.say(.drainAnswer(DrainAnswer(block: lease.block, epoch: lease.epoch, outcome: outcome)), from: host)
        }
    }

    private static func launchOrStop(
        on host: HostID, in fleet: Fleet, _ generator: inout SeededGenerator
    ) throws {
        guard let agent = fleet.agents[host], agent.isGranted else { return }
        if generator.chance(0.4), let sni = agent.bindings.keys.sorted().first, let record = agent.bindings[sni] {
            guard agent.leases[SNIBlock(single: sni)] == nil else { return }
            return try fleet.bind(sni, of: record.application, on: host, state: .ended)
        }
        let leases = agent.leases.values.filter { !$0.marked && $0.block.size > 1 }.sorted { $0.block < $1.block }
        guard let lease = generator.pick(from: leases), let sni = generator.pick(from: lease.block.identifiers),
            agent.bindings[sni] == nil, agent.departures[sni] == nil
        else { return }
        try fleet.bind(sni, of: lease.application, on: host, state: .bound)
    }

    private static func migrate(from host: HostID, in fleet: Fleet, _ generator: inout SeededGenerator) throws {
        guard let record = fleet.agents[host]?.bindings.values.sorted(by: { $0.sni < $1.sni }).first,
            let destination = generator.pick(from: fleet.names)
        else { return }
        _ = fleet.command(.migrate(record.interface, to: destination))
        if generator.chance(0.5) { fleet.acknowledge(host) }
        if generator.chance(0.2) { _ = fleet.command(.abortMigration(record.interface, reason: "test")) }
    }

    private static func arriveOrEnd(on host: HostID, in fleet: Fleet, _ generator: inout SeededGenerator) throws {
        guard let agent = fleet.agents[host], agent.isGranted, agent.stream != nil else { return }
        for lease in agent.leases.values.sorted(by: { $0.block < $1.block }) where lease.block.size == 1 {
            let sni = lease.block.first
            if lease.incoming != nil, !lease.marked {
                try fleet.bind(sni, of: lease.application, on: host, state: .bound)
                fleet.say(.arrived(sni, lease.epoch), from: host)
            } else if agent.bindings[sni] != nil, generator.chance(0.5) {
                try fleet.bind(sni, of: lease.application, on: host, state: .ended)
            }
        }
    }

    /// What a source forgets when it hears that its VM left.
    private static func depart(_ fleet: Fleet) throws {
        for host in fleet.names {
            for departure in (fleet.agents[host]?.departures ?? [:]).values.sorted(by: { $0.sni < $1.sni })
            where departure.phase != .preparing {
                guard let record = fleet.agents[host]?.bindings[departure.sni],
                    fleet.agents[host]?.leases[SNIBlock(single: departure.sni)] == nil
                else { continue }
                try fleet.bind(departure.sni, of: record.application, on: host, state: .ended)
            }
        }
    }

    /// What a joined host holds is its own in the book, and nothing that rests or is free is carried by a host that
    /// counts.
    private static func safe(_ fleet: Fleet) throws {
        let book = fleet.machine.state.book
        for (host, agent) in fleet.agents where agent.stream != nil && fleet.state(of: host) != .withdrawing {
            guard fleet.machine.live.hosts[host]?.stream == agent.stream else { continue }
            for block in agent.leases.keys {
                let lease = book.lease(of: block)
                try hold(lease?.host == host, "\(host) holds \(block), the book says \(String(describing: lease))")
                try hold(lease?.state != .quarantined, "\(block) rests and \(host) may still bind it")
            }
            guard fleet.state(of: host) == .connected else { continue }
            for block in agent.remotes.keys {
                let state = book.lease(of: block)?.state
                try hold(state != nil && state != .quarantined, "\(block) is gone and \(host) still carries it")
            }
        }
    }

    private static func heal(_ fleet: Fleet, _ generator: inout SeededGenerator) throws {
        for round in 0..<16 {
            for host in fleet.names where fleet.agents[host]?.stream == nil { fleet.connect(host) }
            fleet.quiesce()
            try depart(fleet)
            for host in fleet.names {
                try arriveOrEnd(on: host, in: fleet, &generator)
                answerMarks(of: host, in: fleet, &generator)
            }
            fleet.quiesce()
            // Far enough, once, for a decision that pursues what was left behind.
            fleet.pass(.seconds(round == 8 ? 1000 : 4))
            for host in fleet.names { fleet.say(.hostReport(HostReport()), from: host) }
        }
        for host in fleet.names where fleet.agents[host]?.stream == nil { fleet.connect(host) }
        fleet.quiesce()
        try agree(fleet)
    }

    private static func agree(_ fleet: Fleet) throws {
        let book = fleet.machine.state.book
        for (host, agent) in fleet.agents {
            try hold(agent.complaints.isEmpty, "\(host): \(agent.complaints)")
            try hold(fleet.state(of: host) == .connected, "\(host) is \(String(describing: fleet.state(of: host)))")
            let view = fleet.machine.view(of: host)
            let leases = Dictionary(uniqueKeysWithValues: agent.leases.map { ($0.key.key, $0.value) })
            let remotes = Dictionary(uniqueKeysWithValues: agent.remotes.map { ($0.key.key, $0.value) })
            try hold(leases == view.leases, "leases of \(host)")
            try hold(remotes == view.remotes, "remotes of \(host)")
            try hold(agent.scopes == view.scopes, "scopes of \(host)")
            try hold(agent.dropped == view.dropped, "dropped endpoints of \(host)")
        }
        for lease in book.allLeases + book.allSubleases {
            try hold(lease.state != .draining, "\(lease.block) hangs in its removal")
        }
        let live = fleet.machine.live
        try hold(live.waits.isEmpty, "waits: \(live.waits)")
        try hold(live.fences.isEmpty && live.flips.isEmpty, "fences \(live.fences), flips \(live.flips)")
        try hold(fleet.machine.state.safety.values.allSatisfy { $0.debt == nil && $0.fence == nil }, "safety is left")
        for migration in fleet.machine.migrations() {
            try hold(migration.migration.phase != .flipped, "\(migration) never dropped")
        }
        let findings = fleet.machine.check(at: fleet.now).findings
        try hold(findings.isEmpty, "findings: \(findings)")
    }
}
