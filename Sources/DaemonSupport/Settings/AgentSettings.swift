public import Logging
public import NetworkTypes

/// How VMs learn their addresses.
public enum AddressingMode: String, Hashable, Sendable {
    /// The agent answers on their ports.
    case responder
    case off
}

/// What an agent does on its host.
public enum AgentMode: String, Hashable, Sendable {
    case serve
    /// Looks at interfaces that another system manages, and programs nothing.
    case observe
}

/// The configuration of one host agent, checked. Keys and texts: ``schema``.
public struct AgentSettings: Hashable, Sendable {
    public var host: HostID
    public var coordinator: Endpoint
    public var vtep: IPAddress
    /// MTU of the underlay; nil means that it is read from the interface which carries ``vtep``.
    public var underlayMTU: Int?
    public var stateDirectory: String
    /// Path of the local agent socket.
    public var socket: String
    public var socketGroup: String
    /// Path of the overlay's network namespace.
    public var overlayNamespace: String
    public var bootIDFile: String
    public var fingerprintFile: String
    public var reconcileInterval: Duration
    public var sampleInterval: Duration
    public var echoInterval: Duration
    public var addressing: AddressingMode
    /// Told to VMs, in this order.
    public var dnsServers: [IPAddress]
    public var mode: AgentMode
    /// Interfaces that another system manages and that are looked at; the first rule that matches decides.
    public var observe: [ObservationRule]
    /// Folders with libvirt's runtime files.
    public var libvirtRuntime: [String]
    public var logLevel: Logger.Level
    /// The configuration in force, defaults included, as a file that means the same.
    public private(set) var effectiveText: String

    /// Reads and checks a file.
    public static func load(file: String) throws(ConfigurationError) -> AgentSettings {
        try AgentSettings(yaml: readConfigurationFile(file), file: file)
    }

    /// Checks YAML text; `file` stands in messages.
    public init(yaml: String, file: String) throws(ConfigurationError) {
        let document = try SettingsDocument(yaml: yaml, file: file, schema: Self.schema)
        let problems = Self.contradictions(document)
        guard problems.isEmpty else { throw ConfigurationError(problems) }
        host = document[Keys.host]
        coordinator = document[Keys.coordinator]
        vtep = document[Keys.vtep]
        underlayMTU = document[optional: Keys.underlayMTU]
        stateDirectory = document[Keys.stateDirectory]
        socket = document[Keys.socket]
        socketGroup = document[Keys.socketGroup]
        overlayNamespace = document[Keys.overlayNamespace]
        bootIDFile = document[Keys.bootIDFile]
        fingerprintFile = document[Keys.fingerprintFile]
        reconcileInterval = document[Keys.reconcileInterval]
        sampleInterval = document[Keys.sampleInterval]
        echoInterval = document[Keys.echoInterval]
        addressing = document[Keys.addressing]
        dnsServers = document[Keys.dnsServers]
        mode = document[Keys.mode]
        observe = document[Keys.observe]
        libvirtRuntime = document[Keys.libvirtRuntime]
        logLevel = document[Keys.logLevel]
        effectiveText = Self.schema.effective(document)
    }

    private static func contradictions(_ document: SettingsDocument) -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        let vtep = document[Keys.vtep]
        if let unusable = vtep.unusableAsEndpoint {
            problems.append(
                document.contradiction(
                    Keys.vtep, "\(vtep) is \(unusable)", fix: "give the address of this host's underlay interface"))
        }
        if document[Keys.socket] == document[Keys.overlayNamespace] {
            problems.append(
                document.contradiction(
                    Keys.socket, "it is the same path as overlay-namespace", fix: "choose another path for one of them")
            )
        }
        return problems
    }
}

extension AgentSettings {
    enum Keys {
        static let host = SettingKey.scalar(
            "host", ValueFormat<HostID>.losslessText("a host name of a-z 0-9 - . with at most 63 characters"),
            .required(example: "node-1"),
            "Name of this host, unique in the installation. The coordinator knows the host by it: never change it while",
            "the host holds leases.")
        static let coordinator = SettingKey.scalar(
            "coordinator", .remoteEndpoint, .required(example: "10.0.0.2:7400"), "The coordinator.")
        static let vtep = SettingKey.scalar(
            "vtep", ValueFormat<IPAddress>.losslessText("an IPv4 or IPv6 address, such as 10.0.0.5"),
            .required(example: "10.0.0.5"),
            "Address of this host in the underlay, IPv4 or IPv6, at which other hosts reach its VXLAN device. All hosts of",
            "an installation use one family. It may be an address of the loopback device that the underlay routes here.",
            "A changed one takes effect without loss while the host keeps the old address until 'host show' names it no more."
        )
        static let underlayMTU = SettingKey.scalar(
            "underlay-mtu", .integer(1330...65535), .optional(example: "1500"),
            "MTU of the underlay in bytes. Without it, the MTU of the interface that carries 'vtep' is read; when that is the",
            "loopback device, the smallest MTU of the interfaces that are up.")
        static let stateDirectory = SettingKey.scalar(
            "state-directory", .absolutePath, .defaulted("/var/lib/outrider-agent"),
            "Where the journal of leases and bindings lives. It must survive a reboot.")
        static let socket = SettingKey.scalar(
            "socket", .absolutePath, .defaulted("/run/outrider/agent.sock"),
            "Local socket for hooks and outriderctl (Varlink).")
        static let socketGroup = SettingKey.scalar(
            "socket-group", .groupName, .defaulted("outrider"), "Group that may use the socket, beside root.")
        static let overlayNamespace = SettingKey.scalar(
            "overlay-namespace", .absolutePath, .defaulted("/run/netns/outrider"),
            "Network namespace of the overlay, made by 'outrider-agent netns create'.")
        static let bootIDFile = SettingKey.scalar(
            "boot-id-file", .absolutePath, .defaulted("/proc/sys/kernel/random/boot_id"),
            "File with the identity of this boot of the machine, a UUID. Change it only for several agents on one machine."
        )
        static let fingerprintFile = SettingKey.scalar(
            "fingerprint-file", .absolutePath, .defaulted("/etc/machine-id"),
            "File whose content identifies this machine. It tells a cloned disk from the machine it was cloned from.")
        static let reconcileInterval = SettingKey.scalar(
            "reconcile-interval", .duration(), .defaulted(.seconds(30)),
            "How often the kernel's state is compared with the desired state, beside every time that an event asks for it."
        )
        static let sampleInterval = SettingKey.scalar(
            "sample-interval", .duration(), .defaulted(.seconds(10)),
            "How often counters, CPU and memory of the VMs are read. The coordinator says how often they are reported;",
            "a whole part of that interval loses nothing at its ends.")
        static let echoInterval = SettingKey.scalar(
            "echo-interval", .duration(), .defaulted(.seconds(10)),
            "How often every peer's tunnel endpoint gets an echo through the tunnel. One that leaves three in a row unanswered",
            "makes the blocks between the two hosts 'staged-partial'.")
        static let addressing = SettingKey.scalar(
            "addressing",
            ValueFormat<AddressingMode>(
                expected: "'responder' or 'off'", parse: { AddressingMode(rawValue: $0) }, print: { $0.rawValue }),
            .defaulted(.responder),
            "'responder' answers what VMs ask on their ports by DHCP, DHCPv6 and router solicitation, each with the addresses",
            "of its own port. With 'off' VMs are told by other means, and such questions are dropped.")
        static let dnsServers = SettingKey.list(
            "dns-servers", of: ValueFormat<IPAddress>.losslessText("an IPv4 or IPv6 address, such as 10.0.0.5"),
            atLeast: 0, .defaulted([]), "Name servers that VMs are told, at most 8 of each family.")
        static let mode = SettingKey.scalar(
            "mode",
            ValueFormat<AgentMode>(
                expected: "'serve' or 'observe'", parse: { AgentMode(rawValue: $0) }, print: { $0.rawValue }),
            .defaulted(.serve),
            "'observe' programs nothing and binds nothing on this host: it only reports what 'observe' below names. It",
            "needs no overlay-namespace.")
        static let observe = SettingKey.list(
            "observe",
            of: ValueFormat<ObservationRule>.losslessText(
                "PATTERNS application=UUID|alias|metadata with PATTERNS out of name=, alias= and domain=, such as "
                    + "\"name=vnet* application=6f1d0c1e-0000-4000-8000-000000000001\""), atLeast: 0, .defaulted([]),
            "Interfaces of the host's namespace that another system manages: they are counted for the application and never",
            "touched. In a pattern * is any characters and ? one. 'domain' is the name of the libvirt domain. The first rule",
            "that matches decides. 'alias' takes the application from the UUID in the interface's alias, 'metadata' from the",
            "domain's metadata (docs/telemetry.md).")
        static let libvirtRuntime = SettingKey.list(
            "libvirt-runtime", of: .absolutePath, atLeast: 0, .defaulted(["/run/libvirt/qemu"]),
            "Folders in which libvirt keeps a file for each running domain. They tell which interface belongs to which VM."
        )
        static let logLevel = SettingKey.logLevel
    }

    /// Every key that the agent's configuration may have.
    public static let schema = SettingsSchema(
        program: "outrider-agent",
        preamble: [
            "Configuration of outrider-agent.",
            "Check a changed file with 'outrider-agent config check --config FILE'. SIGHUP applies a changed log-level;",
            "everything else takes a restart, which loses no packet.",
        ],
        keys: [
            Keys.host, Keys.coordinator, Keys.vtep, Keys.underlayMTU, Keys.stateDirectory, Keys.socket,
            Keys.socketGroup, Keys.overlayNamespace, Keys.bootIDFile, Keys.fingerprintFile, Keys.reconcileInterval,
            Keys.sampleInterval, Keys.echoInterval, Keys.addressing, Keys.dnsServers, Keys.mode, Keys.observe,
            Keys.libvirtRuntime, Keys.logLevel,
        ])
}
