import CPortLoop
import Foundation
import LocalAPI
import NamespaceKit
import Netlink
import NetworkTypes
import Synchronization

/// What a launch waits for: the agent's answer, with everything behind it.
struct AttachBenchmark {
    static let promises: [(metric: String, unit: String, bar: Double)] = [
        ("attach: no port to make, p50", "us", 1000), ("attach: no port to make, p99", "us", 5000),
        ("attach: 64 at once", "/s", 1500), ("attach: messages to the other host's kernel", "", 0),
        ("attach: tap made, 64 at once / kernel alone", "x", 1.3), ("attach: tap made / kernel alone", "x", 1.3),
        ("attach: veth made / kernel alone", "x", 1.3),
        ("agent: resident memory, 4,000 ports", "MB", 80),
        ("agent: of one core at 10 s, 4,000 ports", "%", 2),
    ]
    private static let alone = 1000
    private static let together = 4000
    private static let rounds = 10
    private static let perRound = 25
    private static let moved = 30
    /// Six readings and two audits, at the intervals that the product has.
    private static let watched = Duration.seconds(60)

    private let installation: Installation
    /// The namespaces where the kernel makes the same devices by itself, and what stands for VMs there and here.
    private let bare: String
    /// Where it also gives them what serves a VM: address, neighbors and routes, without the filters' elements.
    private let served: String
    private let machines: (ours: String, bare: String)

    init(_ installation: Installation) {
        self.installation = installation
        let prefix = installation.cluster.settings.prefix
        bare = prefix + "-bare"
        served = prefix + "-served"
        machines = (prefix + "-vm", prefix + "-barevm")
    }

    func run() throws {
        // The cluster sweeps everything with its prefix.
        try NetworkNamespace.create([bare, served, machines.ours, machines.bare])
        for setting in ["conf/all/forwarding", "conf/default/addr_gen_mode"] {
            try Command.run(["sh", "-c", "echo 1 > /proc/sys/net/ipv6/\(setting)"], namespace: served)
        }
        let bound = try journalled()
        try made("tap", beyond: bound, port: { _ in .tap(uid: nil, gid: nil) }, floor: taps)
        let path = NetworkNamespace.path(machines.ours)
        try made("veth", beyond: bound, port: { .veth(namespace: path, name: "v\($0)") }, floor: veths)
        try movedPorts()
        try fullHost()
    }

    // MARK: No port to make

    /// Returns what such a launch takes, p50, microseconds.
    private func journalled() throws -> Double {
        let peer = [installation.peer.overlayNamespace, installation.peer.namespace]
        // Its agent makes a table for its own counters when it first reads them.
        try installation.cluster.waitUntil("the other host's first reading", timeout: .seconds(60)) {
            () throws(KitError) in
            try Command.run(["nft", "list", "tables"], namespace: peer[0]).contains("outrider_flows")
        }
        let watch = try KernelWatch(namespaces: peer)
        defer { watch.close() }
        var staged = 0
        let times = try (0..<Self.alone).map { number in
            try timed {
                if try installation.attach(number, port: .later).servedFrom == "staged" { staged += 1 }
            }
        }
        try installation.release(0..<Self.alone)
        precondition(staged == Self.alone, "only \(staged) of \(Self.alone) launches found a staged block")
        Results.note("attach: no port to make, p50", quantile(times, 0.5), "us", bar: 1000)
        Results.note("attach: no port to make, p99", quantile(times, 0.99), "us", bar: 5000)
        let elapsed = try Parallel.run(Self.together, workers: 64) { number throws(KitError) in
            try installation.attach(number, port: .later)
        }
        Results.note("attach: 64 at once", Double(Self.together) / elapsed.inSeconds, "/s", floor: 1500)
        try installation.release(0..<Self.together)
        precondition(watch.overruns == 0, "the watch lost messages")
        let messages = watch.snapshot().filter(\.isTableChange)
        Results.note("attach: messages to the other host's kernel", Double(messages.count), "", bar: 0)
        for text in Set(messages.map { "type \($0.type) from \($0.writer) in \($0.namespace)" }).sorted() {
            FileHandle.standardError.write(Data("outrider-bench: the other host's kernel: \(text)\n".utf8))
        }
        return quantile(times, 0.5)
    }

    // MARK: Ports that are made

    /// Microseconds that the kernel by itself takes for each of `count` taps.
    private func taps(first: UInt32, count: Int, serves: Bool) throws -> [Double] {
        let namespace = try NamespaceDescriptor(path: NetworkNamespace.path(serves ? served : bare))
        var times = [Double](repeating: 0, count: count)
        let result = unsafe portloop_taps(namespace.fd, first, UInt32(count), serves ? 1 : 0, &times)
        withExtendedLifetime(namespace) {}
        precondition(result == 0, "bare taps: \(result)")
        return times
    }

    private func veths(first: UInt32, count: Int, serves: Bool) throws -> [Double] {
        let namespace = try NamespaceDescriptor(path: NetworkNamespace.path(serves ? served : bare))
        let peer = try NamespaceDescriptor(path: NetworkNamespace.path(machines.bare))
        var times = [Double](repeating: 0, count: count)
        // Their other ends are born in one namespace: names apart.
        let first = serves ? first + 0x8_0000 : first
        let result = unsafe portloop_veths(namespace.fd, peer.fd, first, UInt32(count), serves ? 1 : 0, &times)
        withExtendedLifetime((namespace, peer)) {}
        precondition(result == 0, "bare veths: \(result)")
        return times
    }

    /// The agent and the kernel by themselves take turns, so that all find as many devices.
    private func made(
        _ kind: String, beyond bound: Double, port: (Int) -> PortWish,
        floor: (_ first: UInt32, _ count: Int, _ serves: Bool) throws -> [Double]
    ) throws {
        var ours: [Double] = []
        var bareTimes: [Double] = []
        var servedTimes: [Double] = []
        for round in 0..<Self.rounds {
            let numbers = round * Self.perRound..<(round + 1) * Self.perRound
            for number in numbers {
                ours.append(try timed { try installation.attach(number, port: port(number)) })
            }
            let first = UInt32(numbers.lowerBound) + (kind == "tap" ? 0x10_0000 : 0)
            bareTimes += try floor(first, Self.perRound, false)
            servedTimes += try floor(first, Self.perRound, true)
        }
        try installation.release(0..<Self.rounds * Self.perRound)
        let (own, least, most) = (quantile(ours, 0.5), quantile(bareTimes, 0.5), quantile(servedTimes, 0.5))
        Results.note("attach: \(kind) made, p50", own, "us")
        Results.note("attach: \(kind) made, p99", quantile(ours, 0.99), "us")
        Results.note("attach: \(kind), kernel alone, p50", least, "us")
        Results.note("attach: \(kind) made / kernel alone", own / least, "x", bar: 1.3)
        Results.note("attach: \(kind) that serves, kernel alone, p50", most, "us")
        Results.note("attach: what the \(kind) adds / kernel alone", (own - bound) / least, "x")
        Results.note("attach: what the \(kind) adds / kernel alone, that serves", (own - bound) / most, "x")
    }

    // MARK: Ports that are moved

    private func movedPorts() throws {
        let host = try NamespaceDescriptor(path: NetworkNamespace.path(installation.host.namespace))
        let target = try NamespaceDescriptor(path: NetworkNamespace.path(bare))
        defer { withExtendedLifetime((host, target)) {} }
        var times = [Double](repeating: 0, count: Self.moved)
        let first: UInt32 = 0x20_0000
        var result = unsafe portloop_taps(host.fd, first, UInt32(Self.moved), 0, &times)
        precondition(result == 0, "taps to move: \(result)")
        result = unsafe portloop_moves(host.fd, target.fd, first, UInt32(Self.moved), &times)
        precondition(result == 0, "moves: \(result)")
        var ours = times
        result = unsafe portloop_taps(host.fd, first, UInt32(Self.moved), 0, &ours)
        precondition(result == 0, "taps to move: \(result)")
        for number in 0..<Self.moved { try installation.attach(number, port: .later) }
        ours = try (0..<Self.moved).map { number in
            let name = "bare" + String(first + UInt32(number), radix: 16)
            return try timed { _ = try installation.socket.plug(vm: "vm\(number)", port: name) }
        }
        try installation.release(0..<Self.moved)
        Results.note("attach: tap moved here, p50", quantile(ours, 0.5), "us")
        Results.note("attach: tap moved, kernel alone, p50", quantile(times, 0.5), "us")
    }

    // MARK: A full host

    private func fullHost() throws {
        let elapsed = try Parallel.run(Self.together, workers: 64) { number throws(KitError) in
            try installation.attach(number, port: .tap(uid: nil, gid: nil))
        }
        func mean(serves: Bool) throws -> Double {
            try taps(first: 0x30_0000, count: Self.together, serves: serves).reduce(0, +) / Double(Self.together)
        }
        let own = elapsed.inSeconds * 1e6 / Double(Self.together)
        let (least, most) = (try mean(serves: false), try mean(serves: true))
        Results.note("attach: tap made, 64 at once", 1e6 / own, "/s")
        Results.note("attach: tap, kernel alone", 1e6 / least, "/s")
        Results.note("attach: tap that serves, kernel alone", 1e6 / most, "/s")
        Results.note("attach: tap made, 64 at once / kernel alone", own / least, "x", bar: 1.3)
        Results.note("attach: tap made, 64 at once / kernel alone, that serves", own / most, "x")
        guard let agent = installation.cluster.agent(installation.host) else { preconditionFailure("no agent") }
        let before = ProcessFigures(of: agent.processID)
        Thread.sleep(forTimeInterval: Self.watched.inSeconds)
        let after = ProcessFigures(of: agent.processID)
        precondition(agent.isRunning, "the agent has ended")
        Results.note("agent: resident memory, 4,000 ports", after.resident, "MB", bar: 80)
        Results.note("agent: the most it ever was", after.residentMost, "MB")
        let share = (after.cpu - before.cpu) / Self.watched.inSeconds * 100
        Results.note("agent: of one core at 10 s, 4,000 ports", share, "%", bar: 2)
    }

    /// Microseconds.
    private func timed(_ body: () throws -> Void) rethrows -> Double {
        try ContinuousClock().measure(body) / .microseconds(1)
    }
}
