import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes

/// A VM of a test.
struct Guest {
    let name: String
    let slot: VMSlot
    let attachment: Attachment
    var ipv4: PeerAddress { .v4(attachment.addressing.ipv4) }
    var ipv6: PeerAddress { .v6(attachment.addressing.ipv6) }
    var addresses: [PeerAddress] { [ipv4, ipv6] }

    func reaches(_ address: PeerAddress, within timeout: Duration) -> Bool {
        slot.echo(for: address).firstReply(from: address, every: .milliseconds(20), timeout: timeout) != nil
    }
}

/// A small installation with the real programs, for one test.
final class TestBed {
    let cluster: Cluster
    private var free: [VMSlot]

    /// Production's durations divided by this: every interval is at its shortest.
    private static let timeFactor = 1_440.0

    /// The programs lie beside the test bundle, unless the environment says where.
    static var binaries: String {
        if let path = ProcessInfo.processInfo.environment["OUTRIDER_BINARIES"] { return path }
        return URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path(
            percentEncoded: false)
    }

    /// Starts coordinator and agents, hands the bed to `body`, and removes everything.
    ///
    /// - Parameters:
    ///   - late: the last so many hosts' agents are not started.
    ///   - agent: lines of every agent's configuration.
    ///   - coordinator: lines of the coordinator's.
    static func run(
        _ name: String, hosts: Int = 2, late: Int = 0, slots: Int = 6, endpoints: Underlay.Endpoints = .ipv4,
        binaries: String = TestBed.binaries, agent: [String: String] = [:], coordinator: [String: String] = [:],
        _ body: (TestBed) async throws -> Void
    ) async throws {
        let prefix = "otr-\(getpid())-\(name)"
        var settings = ClusterSettings(
            prefix: prefix, binaries: binaries, directory: NSTemporaryDirectory() + prefix, hosts: hosts,
            timeFactor: timeFactor)
        settings.endpoints = endpoints
        settings.agentExtra["reconcile-interval"] = "500ms"
        settings.agentExtra.merge(agent) { $1 }
        // Tests keep a coordinator dead for longer than a compressed day.
        settings.coordinatorExtra["bind-until"] = "10m"
        settings.coordinatorExtra.merge(coordinator) { $1 }
        let all = settings
        defer { Cluster.sweep(all) }
        let bed = try await offload { () throws(KitError) in
            let cluster = try Cluster(all)
            return (cluster, try VMSlot.make((1...slots).map { "\(prefix)-v\($0)" }))
        }
        do {
            try await offload { () throws(KitError) in
                try bed.0.startCoordinator()
                for host in bed.0.hosts.dropLast(late) { try bed.0.startAgent(host) }
            }
            let testBed = TestBed(cluster: bed.0, slots: bed.1)
            if agent["mode"] != "observe" {
                for host in bed.0.hosts.dropLast(late) { try testBed.waitUntilBinding(host) }
            }
            try await withTaskExecutorPreference(BlockingExecutor.shared) { try await body(testBed) }
        } catch {
            for host in bed.0.hosts { print("--- \(host.name)\n\(bed.0.agent(host)?.outputText.suffix(4_000) ?? "")") }
            print("--- coordinator\n\(bed.0.coordinator?.outputText.suffix(4_000) ?? "")")
            bed.0.destroy()
            throw error
        }
        bed.0.destroy()
    }

    private init(cluster: Cluster, slots: [VMSlot]) {
        self.cluster = cluster
        free = slots
    }

    func socket(_ host: ClusterHost) -> AgentSocket { AgentSocket(path: host.socket) }

    func waitUntilBinding(_ host: ClusterHost) throws(KitError) {
        try cluster.waitUntil("\(host.name) may bind", timeout: .seconds(20), by: cluster.agent(host)) {
            guard let status = try? socket(host).status() else { return false }
            return status.connected && status.mayBind
        }
    }

    private struct Created: Decodable { var id: String }

    func createApplication(_ name: String, mode: String = "stage") throws(KitError) -> ApplicationID {
        let answer = try cluster.control(Created.self, ["app", "create", name, "--mode", mode])
        guard let id = ApplicationID(answer.id) else { throw .unexpected("application id '\(answer.id)'") }
        return id
    }

    func freeSlot() throws(KitError) -> VMSlot {
        guard let slot = free.popLast() else { throw .unexpected("the test bed has no namespace left") }
        return slot
    }

    /// Attaches a VM and lets it address itself.
    func launch(_ name: String, of application: ApplicationID, on host: Int) throws(KitError) -> Guest {
        let slot = try freeSlot()
        let attachment = try socket(cluster.hosts[host]).attach(
            application: application, vm: name, into: slot, timeout: .seconds(10))
        try slot.configure(attachment.addressing)
        return Guest(name: name, slot: slot, attachment: attachment)
    }
}
