import Foundation
import NamespaceKit

/// Eight hosts with the real programs, made anew for every part of the live benchmark.
struct LaunchFleet {
    static let hosts = 8
    private static let slots = 170
    private let binaries: String

    init(binaries: String) { self.binaries = binaries }

    private static let prefix = "otr-\(getpid())"
    private static let directory = NSTemporaryDirectory() + prefix
    /// Of all parts: a process has one.
    private let watcher = InterruptWatcher {
        ChildProcess.killAll()
        Cluster.sweep(
            ClusterSettings(prefix: prefix, binaries: "", directory: directory, hosts: hosts, timeFactor: 1))
    }

    struct Shape {
        /// Tells its namespaces from others'.
        var name: String
        /// Durations as the product ships them, but those that would let identifiers go under way.
        var uncompressed = false
        var profiler = ClusterSettings.Profiler.inCoordinator
    }

    private func settings(_ shape: Shape) -> ClusterSettings {
        var settings = ClusterSettings(
            prefix: "\(Self.prefix)-\(shape.name)", binaries: binaries, directory: "\(Self.directory)/\(shape.name)",
            hosts: Self.hosts, timeFactor: shape.uncompressed ? 1 : Duration.seconds(3_600) / LaunchDemand.hour)
        settings.profiler = shape.profiler
        settings.agentExtra = ["echo-interval": "10s", "reconcile-interval": "30s"]
        if shape.uncompressed {
            settings.coordinatorExtra = [
                "cooldown": "1s", "standard-lifetime": "24h", "unreachable-after": "30s", "drain-timeout": "1m",
            ]
            settings.agentExtra["sample-interval"] = "10s"
        }
        return settings
    }

    /// Starts everything, hands it to `body`, and removes it.
    func run<Value>(
        _ shape: Shape, _ body: (Cluster, [VMSlot]) async throws -> Value
    ) async throws -> Value {
        let settings = settings(shape)
        defer { withExtendedLifetime(watcher) {} }
        let names = (1...Self.slots).map { "\(settings.prefix)-v\($0)" }
        let (cluster, slots) = try await offload { () throws(KitError) in
            (try Cluster(settings), try VMSlot.make(names))
        }
        defer {
            cluster.destroy()
            try? FileManager.default.removeItem(atPath: Self.directory)
        }
        try await Daemons(cluster: cluster).start()
        return try await body(cluster, slots)
    }
}
