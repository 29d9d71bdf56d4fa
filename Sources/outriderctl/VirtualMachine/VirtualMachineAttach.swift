import ArgumentParser
import ControlAPI
import DaemonSupport
import LocalAPI
import NetworkTypes
import SwiftProtobuf

struct VirtualMachineAttach: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach", abstract: "Binds an identifier to a VM interface on this host and makes its port.",
        discussion: """
            Repeating it with the same arguments gives the same answer. A UUID as --app is understood without the \
            coordinator, a name is looked up there.
            """)
    @OptionGroup var options: GlobalOptions
    @OptionGroup var interface: InterfaceOptions
    @Option(help: ArgumentHelp("Name or id of the application.", valueName: "application")) var app: String
    @Option(help: "UUID of the session.") var session: String?
    @Option(help: "Address of the VM's interface; chosen when absent.") var mac: String?
    @OptionGroup(title: "Port (one of --veth, --tap, --later)") var port: PortOptions
    @OptionGroup(title: "Telemetry (at most one of --process, --cgroup)") var workload: WorkloadOptions

    func run() async throws {
        var call = AttachCall(
            application: try await application(), interface: try interface.interface(), port: port.wish,
            workload: workload.wish)
        if let session {
            guard let id = SessionID(session) else {
                throw ControlFailure(.usage, "--session '\(session)' is no UUID; see 'outriderctl session list'")
            }
            call.session = id
        }
        if let mac {
            guard let address = MACAddress(mac) else {
                throw ControlFailure(.usage, "--mac '\(mac)' is no address such as 06:4f:52:00:10:1a")
            }
            call.mac = address
        }
        let timeout = options.timeout.duration
        call.timeout = timeout
        let request = call
        // The agent answers when its wait is over; this side waits a little longer, to hear why.
        let attachment = try withAgent(options) { (client) throws(AgentCallError) in
            try client.attach(request, timeout: timeout + .seconds(2))
        }
        try Output(format: options.output).show(attachment)
    }

    private func application() async throws -> ApplicationID {
        if let id = ApplicationID(app) { return id }
        let name = app
        let found = try await withCoordinator(options) { coordinator in
            try await coordinator.sessions.getApplication(.with { $0.application = name }, options: coordinator.call)
        }
        guard let id = ApplicationID(found.id) else {
            throw ControlFailure(.failure, "the coordinator calls '\(name)' \(found.id), which is no UUID")
        }
        return id
    }
}

/// Where CPU and memory of the VM are read.
struct WorkloadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Process of the VM, to read its CPU and memory.", valueName: "number"))
    var process: Int32?
    @Option(help: ArgumentHelp("Control group of the VM, to read its CPU and memory.", valueName: "path"))
    var cgroup: String?

    func validate() throws {
        guard process == nil || cgroup == nil else {
            throw ValidationError("--process and --cgroup exclude each other")
        }
        if let process, process < 1 { throw ValidationError("--process takes the number of a process, not \(process)") }
        if let cgroup, !cgroup.hasPrefix("/") {
            throw ValidationError("--cgroup takes the absolute path of a control group's folder, not '\(cgroup)'")
        }
    }

    var wish: WorkloadWish? { process.map(WorkloadWish.process) ?? cgroup.map(WorkloadWish.controlGroup) }
}

/// How the interface gets its port.
struct PortOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A veth pair with its other end in this namespace.", valueName: "path")) var veth:
        String?
    @Option(help: ArgumentHelp("Name of that other end.", valueName: "name")) var vethName = "eth0"
    @Flag(help: "A persistent tap in the overlay's namespace.") var tap = false
    @Option(help: "User that may open the tap.") var uid: UInt32?
    @Option(help: "Group that may open the tap.") var gid: UInt32?
    @Flag(help: "The port appears later, see 'vm plug'.") var later = false

    func validate() throws {
        guard [veth != nil, tap, later].count(where: { $0 }) == 1 else {
            throw ValidationError("give exactly one of --veth, --tap and --later")
        }
        if let veth, !veth.hasPrefix("/") {
            throw ValidationError(
                "--veth takes the absolute path of a namespace, such as /run/netns/vm1, not '\(veth)'")
        }
        guard tap || (uid == nil && gid == nil) else { throw ValidationError("--uid and --gid go with --tap") }
    }

    var wish: PortWish {
        if let veth { return .veth(namespace: veth, name: vethName) }
        return tap ? .tap(uid: uid, gid: gid) : .later
    }
}
