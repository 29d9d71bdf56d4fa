import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Synchronization

/// The real programs: a coordinator and two hosts' agents in namespaces, asked through their sockets as hooks ask them.
enum InstallationBenchmark {
    /// Where the built programs are.
    static let variable = "OUTRIDER_BINARIES"

    static func run() throws {
        guard let binaries = ProcessInfo.processInfo.environment[variable] else {
            for (metric, unit, bar) in AttachBenchmark.promises {
                Results.absent(metric, unit, bar: bar, why: "\(variable) names no folder of programs")
            }
            return
        }
        let installation = try Installation(binaries: binaries)
        defer { installation.remove() }
        try installation.start()
        try AttachBenchmark(installation).run()
    }
}

/// Two hosts. The first gets the launches; the second runs a VM of the same application, so that its kernel carries every
/// block of the first.
final class Installation: Sendable {
    static let capacity = 4608
    private static let name = "otr-bench\(getpid())-i"
    private static let waitsMax = Duration.seconds(60)

    let cluster: Cluster
    private let created = Mutex<ApplicationID?>(nil)
    var host: ClusterHost { cluster.hosts[0] }
    var peer: ClusterHost { cluster.hosts[1] }
    var socket: AgentSocket { AgentSocket(path: host.socket) }

    init(binaries: String) throws {
        var settings = ClusterSettings(
            prefix: Self.name, binaries: binaries, directory: NSTemporaryDirectory() + Self.name, hosts: 2,
            timeFactor: 1)
        // Identifiers serve in one part of the run after the other. All else is as the product ships.
        settings.coordinatorExtra = [
            "cooldown": "1s", "block-size": "256", "standard-lifetime": "24h", "unreachable-after": "30s",
            "drain-timeout": "1m",
        ]
        settings.agentExtra = ["sample-interval": "10s", "reconcile-interval": "30s"]
        cluster = try Cluster(settings)
    }

    func remove() { cluster.destroy() }

    var application: ApplicationID {
        get throws(KitError) {
            guard let id = created.withLock({ $0 }) else { throw .unexpected("no application yet") }
            return id
        }
    }

    private struct Application: Decodable { var id: String }

    /// Starts all programs, and leases as many identifiers to the first host as the run needs, staged at the second.
    func start() throws(KitError) {
        try cluster.startCoordinator()
        for host in cluster.hosts { try cluster.startAgent(host) }
        for host in cluster.hosts {
            try cluster.waitUntil("\(host.name) may bind", timeout: Self.waitsMax) {
                (try? AgentSocket(path: host.socket).status().mayBind) == true
            }
        }
        let answer = try cluster.control(Application.self, ["app", "create", "bench", "--mode", "observe"])
        created.withLock { $0 = ApplicationID(answer.id) }
        _ = try AgentSocket(path: peer.socket).attach(
            application: try application, vm: "peer", port: .tap(uid: nil, gid: nil), timeout: .seconds(10))
        try Parallel.run(Self.capacity, workers: 32) { number throws(KitError) in try self.attach(number, port: .later)
        }
        try release(0..<Self.capacity)
    }

    /// One launch by a connection of its own, as a hook makes it.
    @discardableResult
    func attach(_ number: Int, port: PortWish) throws(KitError) -> Attachment {
        try socket.attach(application: try application, vm: "vm\(number)", port: port, timeout: .seconds(10))
    }

    /// Detaches VMs and waits until all identifiers can be bound again.
    func release(_ numbers: Range<Int>) throws(KitError) {
        try Parallel.run(numbers.count, workers: 32) { number throws(KitError) in
            try self.socket.detach(vm: "vm\(numbers.lowerBound + number)")
        }
        try cluster.waitUntil("the identifiers have rested", timeout: Self.waitsMax, every: .milliseconds(100)) {
            () throws(KitError) in
            let leases = try socket.status().leases
            return leases.reduce(0) { $0 + ($1.staged ? $1.available : 0) } >= Self.capacity
                && leases.allSatisfy { $0.bound == 0 && $0.cooling == 0 }
        }
    }
}

/// Blocking work on threads of its own.
final class Parallel: Sendable {
    private let next = Atomic<Int>(0)
    private let failure = Mutex<KitError?>(nil)

    /// Carries out `count` pieces of work, `workers` at once.
    ///
    /// - Returns: how long it took.
    /// - Throws: the first error, after which no further piece is begun.
    @discardableResult
    static func run(
        _ count: Int, workers: Int, _ body: @escaping @Sendable (Int) throws(KitError) -> Void
    ) throws(KitError) -> Duration {
        let work = Parallel()
        let finished = DispatchGroup()
        let start = ContinuousClock.now
        for _ in 0..<workers {
            finished.enter()
            Thread.detachNewThread {
                work.take(count, body)
                finished.leave()
            }
        }
        finished.wait()
        let elapsed = ContinuousClock.now - start
        if let error = work.failure.withLock({ $0 }) { throw error }
        return elapsed
    }

    private func take(_ count: Int, _ body: @Sendable (Int) throws(KitError) -> Void) {
        while failure.withLock({ $0 == nil }) {
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard number < count else { return }
            do throws(KitError) {
                try body(number)
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
    }
}
