import Foundation
import FleetProtocol
import NetworkTypes
import SNISpace
import SimulationKit
import Testing

@testable import CoordinatorCore

@Suite struct RecoveryTests {
    @Test(arguments: [false, true]) func nothingAcknowledgedIsLost(fromSnapshot: Bool) throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        let one = try #require(fleet.lease(app, on: a, request: 1))
        let two = try #require(fleet.lease(app, on: b, request: 1))
        try fleet.bind(one.first, of: app, on: a, state: .bound)
        _ = try fleet.command(.createSession("web", label: "run")).get()
        _ = fleet.command(.reclaim(.identifier(two.first), dryRun: false, reason: "test", force: false))
        let before = fleet.machine
        let term = before.position.term
        try fleet.restart(fromSnapshot: fromSnapshot)
        #expect(fleet.machine.position.term == term + 1)
        #expect(fleet.machine.state.book == before.state.book)
        #expect(fleet.machine.applications() == before.applications())
        #expect(try fleet.machine.sessions() == before.sessions())
        #expect(try fleet.machine.virtualMachines() == before.virtualMachines())
        #expect(fleet.machine.state.launches == before.state.launches)
        // Nothing is taken as acknowledged by a coordinator that did not hear it.
        fleet.start()
        #expect(fleet.lease(of: one)?.bound == 1)
        #expect(fleet.agents[b]?.leases[two]?.marked == true)
        #expect(fleet.agents[a]?.remotes[two] != nil)
        for agent in fleet.agents.values { #expect(agent.complaints == []) }
    }

    @Test func durationsStartAnewAndWaitsAreAskedAgain() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        _ = fleet.lease(app, on: a, request: 1)
        let block = try #require(fleet.lease(app, on: b, request: 1))
        fleet.now = fleet.now + .seconds(15)
        try fleet.restart()
        #expect(fleet.lease(of: block)?.state == .leased)
        #expect(try fleet.machine.reservations(at: fleet.now).allSatisfy { $0.expiresIn == .seconds(500) })
        // Its old acknowledgement, of the old term, is worth nothing.
        fleet.connect(b)
        fleet.acknowledge(b)
        #expect(fleet.lease(of: block)?.state == .leased)
        fleet.connect(a)
        var old = try #require(fleet.agents[a]).position
        old.term -= 1
        fleet.say(.stateAck(old), from: a)
        #expect(fleet.lease(of: block)?.state == .leased)
        fleet.acknowledge(a)
        #expect(fleet.lease(of: block)?.state == .staged)
    }

    @Test func drainingBlockWaitsForEverybodyAfterARestart() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        let (a, b, c) = (fleet.names[0], fleet.names[1], fleet.names[2])
        let block = try #require(fleet.lease(app, on: a, request: 1))
        _ = fleet.lease(app, on: b, request: 1)
        fleet.quiesce()
        _ = fleet.command(.reclaim(.identifier(block.first), dryRun: false, reason: "test", force: false))
        let epoch = try #require(fleet.agents[a]?.leases[block]).epoch
        fleet.say(.drainAnswer(DrainAnswer(block: block, epoch: epoch, outcome: .drained)), from: a)
        try fleet.restart()
        for host in [a, b] {
            fleet.connect(host)
            fleet.acknowledge(host)
            #expect(fleet.lease(of: block)?.state == .draining)
        }
        fleet.connect(c)
        fleet.acknowledge(c)
        #expect(fleet.lease(of: block)?.state == .quarantined)
    }

    @Test func storeFoundedOtherwiseIsNamed() throws {
        let fleet = try Fleet()
        _ = try fleet.application("web")
        var other = Fleet.seconds
        other.chunkSize = 1024
        var machine = try CoordinatorMachine(configuration: other, randomSeed: 1)
        for event in fleet.log { machine.replay(event) }
        guard case .invalid(let field, _) = machine.contradiction() else {
            Issue.record("no contradiction")
            return
        }
        #expect(field == "chunk-size")
    }

    @Test func eventsAndSnapshotSurviveTheirEncoding() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        for host in fleet.names { _ = fleet.lease(app, on: host, request: 1) }
        fleet.quiesce()
        for host in fleet.names { fleet.aggregate(host, [(app, vms: 3, launches: 3)]) }
        let stored = try JSONEncoder().encode(fleet.log)
        #expect(try JSONDecoder().decode([CoordinatorEvent].self, from: stored) == fleet.log)
        let image = try JSONEncoder().encode(fleet.machine.snapshot())
        var snapshot = try JSONDecoder().decode(CoordinatorSnapshot.self, from: image)
        // Bytes stand beside the text.
        snapshot.attachments = fleet.machine.snapshot().attachments
        #expect(snapshot == fleet.machine.snapshot())
        let restored = try CoordinatorMachine(restoring: snapshot, configuration: Fleet.seconds, randomSeed: 3)
        #expect(restored.snapshot() == snapshot)
        #expect(restored.profiles() == fleet.machine.profiles() && restored.profiles().contains { $0.samples > 0 })
        #expect(restored.state.book == fleet.machine.state.book)
    }

    /// Random commands, answers, losses and restarts; then the faults end and everything must agree.
    @Test func convergesAfterAnything() throws {
        try property("coordinator and scripted agents", iterations: 8) { generator in
            let fleet = try Fleet(hosts: 4)
            fleet.start()
            var apps: [ApplicationID] = []
            for name in ["web", "data", "batch"] { apps.append(try fleet.application(name)) }
            var request: UInt64 = 0
            for _ in 0..<150 {
                guard let host = generator.pick(from: fleet.names), let app = generator.pick(from: apps) else {
                    continue
                }
                request += 1
                switch generator.integer(in: 0...12) {
                case 0, 1, 2: _ = fleet.lease(app, on: host, request: request)
                case 3, 4: fleet.acknowledge(host)
                case 5:
                    _ = fleet.command(
                        .reclaim(.application(app.description), dryRun: false, reason: "test", force: false))
                case 6, 7: Self.answerMarks(of: host, in: fleet, &generator)
                case 8: fleet.disconnect(host)
                case 9: if fleet.agents[host]?.stream == nil { fleet.connect(host) }
                case 10: fleet.pass(.seconds(generator.integer(in: 1...12)))
                case 11: try Self.launchOrStop(on: host, in: fleet, &generator)
                default: if generator.chance(0.2) { try fleet.restart(fromSnapshot: generator.chance(0.5)) }
                }
                let live = fleet.machine.state
                try Self.safe(fleet)
                var replica = try CoordinatorMachine(configuration: Fleet.seconds, randomSeed: 99)
                if generator.chance(0.05) {
                    for event in fleet.log { replica.replay(event) }
                    try hold(replica.state.book == live.book, "the replayed book differs")
                    try hold(replica.state.bindings == live.bindings, "the replayed bindings differ")
                }
            }
            for host in fleet.names where fleet.agents[host]?.stream == nil { fleet.connect(host) }
            for _ in 0..<6 {
                fleet.quiesce()
                for host in fleet.names { Self.answerMarks(of: host, in: fleet, &generator) }
                fleet.quiesce()
                fleet.pass(.seconds(5))
            }
            try Self.agree(fleet)
        }
    }

    /// A launch in a block that the agent leases and was not asked to drain, or the end of a VM.
    private static func launchOrStop(
        on host: HostID, in fleet: Fleet, _ generator: inout SeededGenerator
    ) throws {
        guard let agent = fleet.agents[host] else { return }
        if generator.chance(0.4), let sni = agent.bindings.keys.sorted().first, let record = agent.bindings[sni] {
            return try fleet.bind(sni, of: record.application, on: host, state: .ended)
        }
        let leases = agent.leases.values.filter { !$0.marked }.sorted { $0.block < $1.block }
        guard let lease = generator.pick(from: leases), let sni = generator.pick(from: lease.block.identifiers),
            agent.bindings[sni] == nil
        else { return }
        try fleet.bind(sni, of: lease.application, on: host, state: .bound)
    }

    /// Holds at every moment: nobody else leases what a host was told is its own, and what rests or is free is in no
    /// connected host's kernel.
    private static func safe(_ fleet: Fleet) throws {
        let book = fleet.machine.state.book
        for (host, agent) in fleet.agents {
            for block in agent.leases.keys {
                let other = book.lease(around: block.first)
                try hold(
                    other?.host == host, "\(host) holds \(block), the book gives it to \(String(describing: other))")
                try hold(other?.state != .quarantined, "\(block) rests and \(host) may still bind it")
            }
            guard agent.stream != nil else { continue }
            for block in agent.remotes.keys {
                let state = book.lease(of: block)?.state
                try hold(state != nil && state != .quarantined, "\(block) is gone and \(host) still carries it")
            }
            for (sni, record) in agent.bindings {
                let lease = book.lease(around: sni)
                try hold(lease?.host == host && lease?.application == record.application, "\(sni) lost its lease")
                try hold(lease?.state != .draining && lease?.state != .quarantined, "\(sni) is bound while drained")
            }
        }
    }

    private static func answerMarks(of host: HostID, in fleet: Fleet, _ generator: inout SeededGenerator) {
        for lease in (fleet.agents[host]?.leases ?? [:]).values.sorted(by: { $0.block < $1.block }) where lease.marked {
            let isUsed = fleet.agents[host]?.bindings.keys.contains { lease.block.contains($0) } ?? false
            let outcome: DrainAnswer.Outcome =
                !isUsed && generator.chance(0.7) ? .drained : .refused(reason: "in use", users: [])
            fleet.say(.drainAnswer(DrainAnswer(block: lease.block, epoch: lease.epoch, outcome: outcome)), from: host)
        }
    }

    /// What hosts hold is what the book says, everywhere, and nothing waits.
    private static func agree(_ fleet: Fleet) throws {
        let book = fleet.machine.state.book
        for (host, agent) in fleet.agents {
            try hold(agent.complaints.isEmpty, "\(host): \(agent.complaints)")
            let view = fleet.machine.view(of: host)
            let leases = Dictionary(uniqueKeysWithValues: agent.leases.map { ($0.key.key, $0.value) })
            let remotes = Dictionary(uniqueKeysWithValues: agent.remotes.map { ($0.key.key, $0.value) })
            try hold(leases == view.leases, "leases of \(host)")
            try hold(remotes == view.remotes, "remotes of \(host)")
            try hold(agent.scopes == view.scopes, "scopes of \(host)")
        }
        for lease in book.allLeases {
            try hold(lease.state != .leased, "\(lease.block) was never staged")
            try hold(lease.state != .draining, "\(lease.block) hangs in its removal")
        }
        try hold(fleet.machine.live.waits.isEmpty, "waits: \(fleet.machine.live.waits)")
        let findings = fleet.machine.check(at: fleet.now).findings
        try hold(findings.isEmpty, "findings: \(findings)")
    }
}
