import LocalAPI
import NamespaceKit
import NetworkTypes

/// What one launch costs, by where its identifier comes from: staged by Outrider, all entries written by hand beforehand,
/// and cold. In turns, on the same eight hosts, with nothing else going on.
struct LaunchPaths {
    private static let rounds = 8
    private static let perRound = 12
    private static let capacity = 24
    private static let replyTimeout = Duration.seconds(3)
    private static let waitsMax = Duration.seconds(30)

    private let cluster: Cluster
    private let daemons: Daemons
    private let launcher: Launcher
    /// For launches by hand: as many take turns as do among the others.
    private let slots: [VMSlot]
    private var host: ClusterHost { cluster.hosts[0] }
    private var socket: AgentSocket { AgentSocket(path: host.socket) }

    /// A launch by hand.
    struct Sample {
        var way: HandHost.Way
        /// What its elements took beforehand, milliseconds.
        var elements: Double
        var started: ContinuousClock.Instant
        var attached: ContinuousClock.Instant
        var replied: ContinuousClock.Instant
        /// Milliseconds.
        var attach: Double { (attached - started).milliseconds }
        var reply: Double { (replied - started).milliseconds }
    }

    static func run(_ fleet: LaunchFleet) async throws {
        try await fleet.run(LaunchFleet.Shape(name: "p", uncompressed: true)) { cluster, slots in
            let paths = LaunchPaths(
                cluster: cluster, daemons: Daemons(cluster: cluster),
                launcher: Launcher(cluster, slots: slots.dropLast(2 * perRound), seed: LaunchDemand.seed),
                slots: slots.suffix(2 * perRound))
            try await paths.measure()
        }
    }

    private func application(_ name: String) async throws -> FleetApplication {
        // Nothing is forecast here; what is leased stays.
        let id = try await daemons.createApplication(name, priority: "standard", mode: "observe")
        return FleetApplication(name: name, id: id, weights: Array(repeating: 1, count: cluster.hosts.count))
    }

    private func measure() async throws {
        let watch = try KernelWatch(namespaces: cluster.hosts.map(\.overlayNamespace))
        defer { watch.close() }
        let known = try await application("known")
        for index in cluster.hosts.indices { try await peer(known, "known-\(index + 1)", on: index) }
        try await stock(known)
        await launcher.beginDay(1)
        var byHand: [Sample] = []
        for round in 0..<Self.rounds {
            // Those that an agent's first round finds cold in caches are as many in both.
            for number in 0..<Self.perRound {
                let machine = await launcher.launch(known, name: "staged-\(round)-\(number)", on: 0)
                if let machine { await launcher.stop(machine) }
            }
            try await cold(round)
            byHand += try await hand(known)
        }
        let failures = await launcher.failures + launcher.silent
        precondition(failures.isEmpty, "launches failed: \(failures.prefix(3))")
        let records = await launcher.records.filter { $0.day == 1 && $0.replied != nil }
        let staged = records.filter { $0.name(is: known) && $0.servedFrom == "staged" }
        let cold = records.filter { !$0.name(is: known) && ["reserved", "cold"].contains($0.servedFrom) }
        precondition(
            staged.count == Self.rounds * Self.perRound,
            "only \(staged.count) launches found a staged identifier")
        report(staged: staged, byHand: byHand, cold: cold, watch)
    }

    private func peer(_ application: FleetApplication, _ name: String, on index: Int) async throws {
        guard await launcher.launch(application, name: name, on: index) != nil else {
            throw KitError.unexpected("no peer: \(await launcher.failures.last ?? "")")
        }
    }

    /// Leases identifiers to the first host, and waits until all peers carry them and nothing rests.
    private func stock(_ application: FleetApplication) async throws {
        let (cluster, socket) = (cluster, socket)
        try await offload { () throws(KitError) in
            for number in 0..<Self.capacity {
                _ = try socket.attach(
                    application: application.id, vm: "stock-\(number)", port: .later, timeout: .seconds(10))
            }
            for number in 0..<Self.capacity { try socket.detach(vm: "stock-\(number)") }
            try cluster.waitUntil("staged identifiers have rested", timeout: Self.waitsMax) { () throws(KitError) in
                let leases = try socket.status().leases
                return leases.allSatisfy { $0.staged && $0.cooling == 0 }
                    && leases.reduce(0) { $0 + $1.available } >= Self.capacity
            }
        }
    }

    /// An application that nobody knows yet: its first VM runs on one host, and the next launches are on others.
    private func cold(_ round: Int) async throws {
        let fresh = try await application("cold-\(round + 1)")
        await launcher.beginDay(0)
        let first = 1 + round % (cluster.hosts.count - 1)
        try await peer(fresh, "cold-\(round)-first", on: first)
        await launcher.beginDay(1)
        for index in cluster.hosts.indices where index != first {
            await launcher.launch(fresh, name: "cold-\(round)-\(index)", on: index)
        }
    }

    // MARK: By hand

    private func hand(_ application: FleetApplication) async throws -> [Sample] {
        let status = try socket.status()
        guard let lease = status.leases.first(where: { $0.application == application.id && $0.available > 0 }) else {
            throw KitError.unexpected("no leased block is left for launches by hand")
        }
        let bound = Set(status.bindings.filter { $0.state == "bound" }.map(\.sni))
        let free = lease.block.identifiers.filter { !bound.contains($0) }
        let mtu = status.grant?.mtu ?? 1450
        let peers = await launcher.live.values.filter { $0.application == application && $0.host != 0 }
            .sorted { $0.name < $1.name }
        let (cluster, host, slots) = (cluster, host, slots)
        cluster.agent(host)?.kill()
        let samples = try await offload { () throws(KitError) in
            do {
                var hand = try HandHost(host, block: lease.block, application: application.id, mtu: mtu)
                return try (0..<2 * Self.perRound).map { number in
                    let before = ContinuousClock.now
                    let prepared = try hand.prepare(free[number % free.count])
                    let elements = (ContinuousClock.now - before).milliseconds
                    let peer = peers[number % peers.count]
                    let address = number.isMultiple(of: 2) ? peer.ipv6 : peer.ipv4
                    let way = number / 2 % 2 == 0 ? HandHost.Way.tools : .calls
                    var sample = try Self.timed(hand, prepared, by: way, into: slots[number], to: address)
                    sample.elements = elements
                    try hand.end(prepared)
                    return sample
                }
            } catch let error as KitError {
                throw error
            } catch {
                throw .unexpected("by hand: \(error)")
            }
        }
        try await offload { () throws(KitError) in try cluster.startAgent(host) }
        try await daemons.waitUntilBinding(host)
        let socket = socket
        try await offload { () throws(KitError) in
            try cluster.waitUntil("the agent has its kernel again", timeout: Self.waitsMax) { () throws(KitError) in
                let status = try socket.status()
                return status.dataplane?.pending == [] && status.leases.allSatisfy { $0.staged && $0.cooling == 0 }
            }
        }
        return samples
    }

    private static func timed(
        _ hand: HandHost, _ prepared: HandHost.Prepared, by way: HandHost.Way, into slot: VMSlot,
        to address: PeerAddress
    ) throws -> Sample {
        let started = ContinuousClock.now
        try hand.launch(prepared, into: slot, by: way)
        let attached = ContinuousClock.now
        try slot.configure(prepared.addressing)
        guard let replied = slot.echo(for: address).firstReply(from: address, timeout: replyTimeout) else {
            throw KitError.unexpected("no reply from \(address) to a VM launched by hand")
        }
        return Sample(way: way, elements: 0, started: started, attached: attached, replied: replied)
    }

    // MARK: Figures

    private func report(staged: [LaunchRecord], byHand: [Sample], cold: [LaunchRecord], _ watch: KernelWatch) {
        func note(_ name: String, _ values: [Double], bar: Double? = nil) -> Double {
            let middle = quantile(values, 0.5)
            Results.note("launch: \(name), p50", middle, "ms", bar: bar)
            Results.note("launch: \(name), p99", quantile(values, 0.99), "ms")
            return middle
        }
        _ = note("staged, attach", staged.map(\.attachTime))
        let ours = note("staged, first reply", staged.compactMap(\.firstReplyTime))
        _ = note("by hand, elements written beforehand", byHand.map(\.elements))
        for (way, name) in [(HandHost.Way.tools, "by hand"), (.calls, "kernel's calls alone")] {
            let samples = byHand.filter { $0.way == way }
            _ = note("\(name), what is left of the attach", samples.map(\.attach))
            let theirs = note("\(name), first reply", samples.map(\.reply))
            Results.note("launch: staged first reply / \(name)", ours / theirs, "x", bar: 1.2)
        }
        _ = note("cold, attach", cold.map(\.attachTime), bar: 60)
        _ = note("cold, first reply", cold.compactMap(\.firstReplyTime), bar: 60)
        precondition(watch.overruns == 0, "the watch lost messages")
        let events = watch.snapshot()
        let messages = PeerMessages(launches: staged, events: events, hosts: cluster.hosts)
        LaunchBenchmark.note("launch: staged, messages to peers", messages)
        let asked = told(
            events, cold.compactMap { launch in launch.replied.map { (launch.started...$0, launch.host) } })
        Results.note("launch: cold, messages to peers", Double(asked) / Double(max(1, cold.count)), "")
        let quiet = told(events, byHand.map { ($0.started...$0.replied, 0) })
        Results.note("launch: by hand, messages to peers", Double(quiet) / Double(max(1, byHand.count)), "")
    }

    /// Changes of other hosts' tables while launches were under way; nothing else happened meanwhile.
    private func told(
        _ events: [KernelEvent], _ launches: [(during: ClosedRange<ContinuousClock.Instant>, host: Int)]
    ) -> Int {
        let changes = events.filter(\.isTableChange)
        return launches.reduce(0) { sum, launch in
            let own = cluster.hosts[launch.host].overlayNamespace
            return sum + changes.count { launch.during.contains($0.at) && $0.namespace != own }
        }
    }
}

extension LaunchRecord {
    fileprivate func name(is application: FleetApplication) -> Bool { self.application == application.name }
}
