import LocalAPI
import NetworkTypes

/// What operators do without forecasts: a fixed number of interfaces per application and host that have an identifier
/// before any VM needs one, made anew as soon as one is taken.
///
/// Each is an interface that was attached without a port and detached with a hold: the launch that takes it finds its
/// identifier kept.
public actor WarmPool {
    private struct Place: Hashable {
        var application: ApplicationID
        var host: Int
    }
    private let cluster: Cluster
    private var ready: [Place: [String]] = [:]
    private var number = 0
    /// Interfaces that could not be made, with the agent's words.
    public private(set) var failures: [String] = []

    private static let hold = Duration.seconds(3_600)
    private static let patience = Duration.seconds(5)

    public init(_ cluster: Cluster) { self.cluster = cluster }

    /// Interfaces that wait for a launch now.
    public var count: Int { ready.values.reduce(0) { $0 + $1.count } }

    /// Makes so many interfaces for an application on a host.
    public func fill(_ application: FleetApplication, host: Int, count: Int) async {
        for _ in 0..<count { await add(application, host: host) }
    }

    /// The interface for a launch; nil when there is none ready.
    func take(_ application: FleetApplication, host: Int) -> String? {
        ready[Place(application: application.id, host: host)]?.popLast()
    }

    /// Makes another one for one that was taken, or that would have been.
    func add(_ application: FleetApplication, host: Int) async {
        number += 1
        let name = "\(application.name)-warm\(number)"
        let socket = AgentSocket(path: cluster.hosts[host].socket)
        do {
            try await offload { () throws(KitError) in
                _ = try socket.attach(application: application.id, vm: name, port: .later, timeout: Self.patience)
                try socket.detach(vm: name, hold: Self.hold)
            }
            ready[Place(application: application.id, host: host), default: []].append(name)
        } catch {
            failures.append("\(name) on h\(host + 1): \(error)")
        }
    }
}
