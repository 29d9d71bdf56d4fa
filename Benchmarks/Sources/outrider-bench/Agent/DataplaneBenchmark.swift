import CRouteLoop
import Dataplane
import Foundation
import Glibc
import NamespaceKit
import Netlink
import NetworkTypes

/// What a host's kernel is asked at hypervisor scale: 100,000 routes on 1,000 nexthop objects, written and compared, and
/// what a packet costs when the filters hold 10,000 VMs. Every figure in one run, on the same objects.
enum DataplaneBenchmark {
    private static let routes = 100_000
    private static let nexthops = 1_000
    private static let elements = 10_000
    private static let rounds = 5
    /// What pyroute2 writes: all of it would take minutes.
    private static let pythonRoutes = 5_000

    static func run() throws {
        try programming()
        try reconciling()
    }

    // MARK: Objects

    static let source = IPAddress.v4(IPv4Address(0xC000_0201))
    static let configuration = DataplaneConfiguration(vtep: source, mtu: 1450)

    private static var endpoints: [KernelObject] {
        (0..<nexthops).flatMap { number -> [KernelObject] in
            let vtep = IPAddress.v4(IPv4Address(0xC612_0000 + UInt32(number + 2)))
            return [
                .neighbor(device: configuration.device, address: .v6(vtep.tunnelGateway), mac: vtep.tunnelMAC),
                .nexthop(
                    Nexthop(
                        id: 1 + UInt32(number), vni: SessionNetworkID(unchecked: 0x1000 + UInt32(number)),
                        source: source, vtep: vtep, gateway: vtep.tunnelGateway, device: configuration.device)),
            ]
        }
    }

    private static let base: UInt32 = 0x0A10_0000
    private static func destination(_ index: Int) -> IPv4Address { IPv4Address(base + 16 * UInt32(index)) }
    private static var routeObjects: [KernelObject] {
        (0..<routes).map {
            .route(.v4(destination($0), length: 28), metric: 0, .nexthop(1 + UInt32($0 % nexthops)))
        }
    }

    private static func plan(_ objects: [KernelObject]) -> ChangePlan {
        let neighbors = objects.filter { $0.key.kind == .neighbor }
        let hops = objects.filter { $0.key.kind == .nexthop }
        let rest = objects.filter { $0.key.kind == .route }
        return ChangePlan(
            steps: [(CommitStage.acquireNeighbors, neighbors), (.acquireNexthops, hops), (.acquireRoutes, rest)].map {
                ChangeStep(stage: $0.0, operations: $0.1.map(KernelOperation.create))
            }.filter { !$0.operations.isEmpty })
    }

    // MARK: Programming

    private static func programming() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "otr-routes-\(getpid())")
        defer { try? FileManager.default.removeItem(at: file) }
        let lines = (0..<routes).map { "route add \(destination($0))/28 nhid \(1 + $0 % nexthops) proto 83" }
        try (lines.joined(separator: "\n") + "\n").write(to: file, atomically: true, encoding: .utf8)
        let routePlan = plan(routeObjects)
        var ours: [Double] = []
        var bare: [Double] = []
        var batch: [Double] = []
        for round in 0..<rounds {
            ours.append(
                try withBed { bed in
                    seconds { precondition(bed.kernel.execute(routePlan).failed.isEmpty, "a route was refused") }
                })
            bare.append(
                try withBed { bed in
                    let fd = routeloop_open(bed.kernel.namespace.overlay.namespace.fd)
                    precondition(fd >= 0, "no socket: \(fd)")
                    defer { close(fd) }
                    return seconds {
                        let result = routeloop_add(fd, base, UInt32(routes), 1, UInt32(nexthops))
                        precondition(result == 0, "bare loop: \(result)")
                    }
                })
            guard round == 0 else { continue }
            batch.append(
                try withBed { bed in
                    try seconds {
                        try Command.run(["ip", "-n", bed.overlay, "-batch", file.path(percentEncoded: false)])
                    }
                })
        }
        let python = try withBed {
            try PythonPeer.addRoutes(pythonRoutes, base: base, nexthops: nexthops, in: $0.overlay)
        }
        let (own, least, tool) = (best(ours), best(bare), best(batch))
        Results.note("dataplane: 100,000 routes, this code", Double(routes) / own, "routes/s")
        Results.note("dataplane: the same, bare C loop", Double(routes) / least, "routes/s")
        Results.note("dataplane: the same, ip -batch", Double(routes) / tool, "routes/s")
        PythonPeer.note("dataplane: the same, pyroute2", python.map { Double(pythonRoutes) / $0 }, "routes/s")
        Results.note("dataplane: routes, times ip -batch", tool / own, "x", floor: 5)
        Results.note("dataplane: routes, share of the bare loop", least / own, "x", floor: 0.9)
    }

    // MARK: Reconciling

    private static func reconciling() throws {
        try withBed { bed in
            var tracker = Tracker(policy: OwnershipPolicy(device: configuration.device, deletes: .everything))
            let wanted = endpoints + routeObjects + vms(elements / 5).flatMap(filters).map(KernelObject.element)
            for object in wanted { tracker.want(object, for: object.key) }
            tracker.resync(try bed.kernel.dump())
            let first = bed.kernel.execute(tracker.plan())
            precondition(first.failed.isEmpty, "\(first.failed.first.map { "\($0)" } ?? "")")
            first.completed.forEach { tracker.completed($0) }
            var passes: [Double] = []
            let before = bed.kernel.writes
            for _ in 0..<rounds {
                passes.append(
                    try seconds {
                        try bed.kernel.prepare(mayReplace: true) { [] }
                        tracker.resync(try bed.kernel.dump())
                        precondition(tracker.plan().isEmpty, "something differs")
                    })
            }
            Results.note("dataplane: reconcile, nothing to do", best(passes), "s", bar: 1)
            Results.note("dataplane: writes of those passes", Double(bed.kernel.writes - before), "", bar: 0)

            try restoring(bed, &tracker)
        }
    }

    /// The device goes down and up by another's hand, and with it all routes and nexthops.
    private static func restoring(_ bed: Bed, _ tracker: inout Tracker) throws {
        for state in ["down", "up"] {
            try Command.run(["ip", "-n", bed.overlay, "link", "set", configuration.device, state])
        }
        let start = ContinuousClock.now
        try bed.kernel.prepare(mayReplace: true) { [] }
        tracker.resync(try bed.kernel.dump())
        let seen = ContinuousClock.now
        let plan = tracker.plan()
        let planned = ContinuousClock.now
        let outcome = bed.kernel.execute(plan)
        let written = ContinuousClock.now
        precondition(outcome.failed.isEmpty, "a repair was refused")
        outcome.completed.forEach { tracker.completed($0) }
        let noted = ContinuousClock.now
        precondition(tracker.plan().isEmpty, "something is still missing")
        Results.note("dataplane: after down/up, to look", (seen - start).inSeconds, "s")
        Results.note("dataplane: to plan", (planned - seen).inSeconds, "s")
        Results.note("dataplane: to write", (written - planned).inSeconds, "s")
        Results.note("dataplane: all routes back after down/up", (written - start).inSeconds, "s", bar: 1)
        Results.note("dataplane: and noted", (noted - start).inSeconds, "s")
    }

    /// Identifiers of VMs.
    static func vms(_ count: Int) -> [SessionNetworkID] {
        (0..<count).map { SessionNetworkID(unchecked: 0x20_0000 + UInt32($0)) }
    }

    /// The elements that a bound VM has in the filters.
    static func filters(_ sni: SessionNetworkID) -> [FilterElement] {
        let (plan, device) = (configuration.plan, "sni\(sni.hex)")
        let (address4, address6) = (plan.ipv4(of: sni), plan.ipv6(of: sni))
        return [
            .source4(device: device, address4), .source6(device: device, plan.ipv6Interval(of: sni).lowerBound),
            .arpSender(device: device, address4), .ingress4(vni: sni, address4), .ingress6(vni: sni, address6),
        ]
    }

    // MARK: Bed

    struct Bed {
        let host: String
        let overlay: String
        let kernel: KernelDataplane
    }

    private static func withBed<Value>(_ body: (Bed) throws -> Value) throws -> Value {
        let host = "otr-bench\(getpid())-d"
        let overlay = host + "o"
        defer { try? NetworkNamespace.remove([host, overlay]) }
        let bed = try makeBed(host: host, overlay: overlay)
        let outcome = bed.kernel.execute(plan(endpoints))
        precondition(outcome.failed.isEmpty, "a nexthop was refused")
        return try body(bed)
    }

    static func makeBed(host: String, overlay: String) throws -> Bed {
        try NetworkNamespace.create([host])
        try OverlayNamespace.create(path: NetworkNamespace.path(overlay))
        let sockets = try NamespaceSockets(path: NetworkNamespace.path(host))
        let kernel = try KernelDataplane(
            configuration: configuration,
            namespace: OverlayNamespace(path: NetworkNamespace.path(overlay), host: sockets))
        try kernel.prepare(mayReplace: true) { [] }
        return Bed(host: host, overlay: overlay, kernel: kernel)
    }

    static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let (seconds, attoseconds) = try ContinuousClock().measure(body).components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }

    /// The least of the rounds: everything else of the machine only adds.
    static func best(_ values: [Double]) -> Double { values.min() ?? .infinity }
}
