import Foundation
public import NetworkTypes
import Synchronization

/// A whole installation on one machine: an underlay of namespaces, one coordinator and some hosts, each with the real
/// programs. The demo and the end-to-end tests use the same one.
public final class Cluster: Sendable {
    public let settings: ClusterSettings
    public let underlay: Underlay
    public let hosts: [ClusterHost]
    /// Where the coordinator listens, `ADDRESS:PORT`.
    public let coordinatorAddress: String
    public let coordinatorNamespace: String
    public var coordinatorLog: String { settings.directory + "/coordinator/coordinator.log" }
    private var coordinatorFile: String { settings.directory + "/coordinator/coordinator.yaml" }
    private let processes = Mutex<[String: ChildProcess]>([:])

    private static let coordinatorPort: UInt16 = 7443
    private static let profilerPort: UInt16 = 7444
    private static let coordinatorName = "c1"
    private static let profilerName = "profiler"
    private var profilerFile: String { settings.directory + "/profiler/profiler.yaml" }
    private var profilerLog: String { settings.directory + "/profiler/profiler.log" }

    /// Makes underlay, overlay namespaces and files, and starts nothing.
    public init(_ settings: ClusterSettings) throws(KitError) {
        self.settings = settings
        let names = (1...settings.hosts).map { "h\($0)" }
        let underlay = try Underlay(
            prefix: settings.prefix, machines: names + [Self.coordinatorName], endpoints: settings.endpoints)
        self.underlay = underlay
        hosts = zip(names, underlay.machines).map { name, machine in
            ClusterHost(
                name: name, namespace: machine.namespace, overlayNamespace: "\(settings.prefix)-o\(name.dropFirst())",
                vtep: machine.endpoint, directory: "\(settings.directory)/\(name)")
        }
        let coordinator = underlay.machines[settings.hosts]
        coordinatorNamespace = coordinator.namespace
        coordinatorAddress = "\(coordinator.address):\(Self.coordinatorPort)"

        let stateDirectory = settings.directory + "/coordinator/state"
        try makeFolder(stateDirectory)
        try writeFile(
            coordinatorFile,
            settings.coordinatorFile(
                address: coordinatorAddress, stateDirectory: stateDirectory,
                profiler: "\(coordinator.address):\(Self.profilerPort)"))
        if settings.profiler == .apart {
            let profilerState = settings.directory + "/profiler/state"
            try makeFolder(profilerState)
            try writeFile(
                profilerFile,
                settings.profilerFile(
                    address: "\(coordinator.address):\(Self.profilerPort)", stateDirectory: profilerState,
                    coordinator: coordinatorAddress))
        }
        var generator = SystemRandomNumberGenerator()
        for host in hosts {
            try host.writeIdentity(using: &generator)
            try writeFile(host.configuration, settings.agentFile(for: host, coordinator: coordinatorAddress))
            try createOverlayNamespace(host)
        }
    }

    /// Path of one built program.
    public func program(_ name: String) -> String { settings.binaries + "/" + name }

    /// Runs the agent's oneshot that makes the overlay's namespace.
    public func createOverlayNamespace(_ host: ClusterHost) throws(KitError) {
        try Command.run(
            [program("outrider-agent"), "netns", "create", "--config", host.configuration], namespace: host.namespace)
    }

    /// Writes another tunnel endpoint into a host's configuration; its agent reads it when it starts.
    public func configure(_ host: ClusterHost, vtep: IPAddress) throws(KitError) {
        var changed = settings
        changed.agentExtra["vtep"] = "\(vtep)"
        try writeFile(host.configuration, changed.agentFile(for: host, coordinator: coordinatorAddress))
    }

    // MARK: Processes

    /// Starts the coordinator and waits until its port accepts.
    public func startCoordinator() throws(KitError) {
        let services = settings.profiler == .inCoordinator ? "all" : "network-manager,session-manager,allocator"
        try startService(
            Self.coordinatorName, services: services, file: coordinatorFile, log: coordinatorLog,
            port: Self.coordinatorPort)
    }

    /// Starts the profiler in a process of its own, for ``ClusterSettings/Profiler/apart``.
    public func startProfiler() throws(KitError) {
        try startService(
            Self.profilerName, services: "profiler", file: profilerFile, log: profilerLog, port: Self.profilerPort)
    }

    private func startService(
        _ name: String, services: String, file: String, log: String, port: UInt16
    ) throws(KitError) {
        let child = try ChildProcess(
            [program("outrider-coordinator"), "--config", file, "--services", services],
            namespace: coordinatorNamespace, output: log)
        remember(child, as: name)
        let address = PeerAddress.v4(underlay.machines[settings.hosts].address)
        try waitUntil("\(services) listens (see \(log))", timeout: .seconds(20), by: child) { () throws(KitError) in
            try connects(from: coordinatorNamespace, to: address, port: port, within: .milliseconds(200))
        }
    }

    /// Starts one agent and waits until its socket exists; whether it may bind is for the caller to ask.
    public func startAgent(_ host: ClusterHost) throws(KitError) {
        let child = try ChildProcess(
            [program("outrider-agent"), "run", "--config", host.configuration], namespace: host.namespace,
            output: host.log)
        remember(child, as: host.name)
        try waitUntil("the agent of \(host.name) listens (see \(host.log))", timeout: .seconds(20), by: child) {
            // A killed agent leaves its socket's file behind, so only an answer counts.
            (try? AgentSocket(path: host.socket).status()) != nil
        }
    }

    private func remember(_ child: ChildProcess, as name: String) { processes.withLock { $0[name] = child } }

    /// The running process of a host's agent.
    public func agent(_ host: ClusterHost) -> ChildProcess? { processes.withLock { $0[host.name] } }
    public var coordinator: ChildProcess? { processes.withLock { $0[Self.coordinatorName] } }
    public var profiler: ChildProcess? { processes.withLock { $0[Self.profilerName] } }

    /// Ids of the programs that still run.
    public var runningProcesses: [Int32] {
        processes.withLock { $0.values.filter(\.isRunning).map(\.processID) }
    }

    /// Polls until `condition` holds; fails early when the program behind it ends.
    public func waitUntil(
        _ what: String, timeout: Duration, by child: ChildProcess? = nil, every interval: Duration = .milliseconds(10),
        _ condition: () throws(KitError) -> Bool
    ) throws(KitError) {
        let deadline = ContinuousClock.now + timeout * Patience.factor
        while try !condition() {
            if let code = child?.poll() {
                throw .unexpected("\(what): the program ended with \(code)\n\(child?.outputText.suffix(2_000) ?? "")")
            }
            guard ContinuousClock.now < deadline else { throw .timeout(what) }
            usleep(useconds_t(interval / .microseconds(1)))
        }
    }

    // MARK: Control

    /// Runs `outriderctl` against the coordinator; `idly` gives way to everything else, for samplers beside a measurement.
    public func control(_ arguments: [String], idly: Bool = false) throws(KitError) -> Command.Result {
        try Command.attempt(
            (idly ? ["nice", "-n", "19"] : [])
                + [program("outriderctl")] + arguments + ["--coordinator", coordinatorAddress],
            namespace: coordinatorNamespace)
    }

    /// Runs `outriderctl --output json` and decodes the answer; any status but 0 is an error.
    public func control<T: Decodable>(
        _ type: T.Type, _ arguments: [String], idly: Bool = false
    ) throws(KitError) -> T {
        let result = try control(arguments + ["--output", "json"], idly: idly)
        guard result.status == 0 else {
            throw .command(
                line: "outriderctl " + arguments.joined(separator: " "), status: result.status, output: result.output)
        }
        do {
            return try JSONDecoder().decode(type, from: Data(result.output.utf8))
        } catch {
            throw .unexpected("outriderctl \(arguments.joined(separator: " ")): \(error): \(result.output)")
        }
    }

    // MARK: End

    /// Stops all programs and takes the overlays down the way an operator does; with `force` under attached VMs too.
    public func tearDownOverlays(force: Bool = false) throws(KitError) {
        for host in hosts { agent(host)?.stop() }
        profiler?.stop()
        coordinator?.stop()
        for host in hosts where NetworkNamespace.list().contains(host.overlayNamespace) {
            try Command.run(
                [program("outrider-agent"), "teardown", "--config", host.configuration] + (force ? ["--force"] : []),
                namespace: host.namespace)
        }
    }

    /// What ``tearDownOverlays()`` should have removed and did not: namespaces, links of machines, processes, sockets,
    /// records of bindings. The underlay itself still exists at this point.
    public func leftovers() throws(KitError) -> [String] {
        var found: [String] = []
        let namespaces = Set(NetworkNamespace.list())
        for host in hosts {
            if namespaces.contains(host.overlayNamespace) { found.append("namespace \(host.overlayNamespace)") }
            let links = try Command.run(["ip", "-n", host.namespace, "-br", "link"])
            for line in links.split(separator: "\n") {
                let name = line.prefix { $0 != " " && $0 != "@" }
                if name != "lo" && name != "u0" { found.append("link \(name) of \(host.name)") }
            }
            let tables = try Command.run(["nft", "list", "tables"], namespace: host.namespace)
            found += tables.split(separator: "\n").map { "nft \($0) of \(host.name)" }
            if FileManager.default.fileExists(atPath: host.socket) { found.append("socket \(host.socket)") }
        }
        found += runningProcesses.map { "process \($0)" }
        return found
    }

    /// Ends everything that was started and removes every namespace and file, whatever state they are in.
    public func destroy() {
        let children = processes.withLock { Array($0.values) }
        for child in children where child.isRunning { child.kill() }
        Self.sweep(settings)
    }

    /// Removes the namespaces and files of a cluster that may not even have come up whole.
    public static func sweep(_ settings: ClusterSettings) {
        try? NetworkNamespace.remove(NetworkNamespace.list().filter { $0.hasPrefix(settings.prefix + "-") })
        try? FileManager.default.removeItem(atPath: settings.directory)
    }
}
