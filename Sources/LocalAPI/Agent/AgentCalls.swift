public import NetworkTypes

/// Port of an interface, as a caller asks for it.
public enum PortWish: Hashable, Sendable {
    /// One end in the overlay, the other called `name` in the namespace at `namespace` (absolute path).
    case veth(namespace: String, name: String)
    /// A persistent tap; the user and the group may open it.
    case tap(uid: UInt32?, gid: UInt32?)
    /// Handed over by Plug.
    case later
}

/// Parameters of `Attach`.
public struct AttachCall: Hashable, Sendable {
    public var application: ApplicationID
    public var session: SessionID?
    public var interface: VMInterface
    public var mac: MACAddress?
    public var port: PortWish
    /// Longest wait for a block; nil means the agent's default.
    public var timeout: Duration?
    /// Where the VM's CPU and memory are read; nil changes nothing.
    public var workload: WorkloadWish?
    public init(
        application: ApplicationID, session: SessionID? = nil, interface: VMInterface, mac: MACAddress? = nil,
        port: PortWish, timeout: Duration? = nil, workload: WorkloadWish? = nil
    ) {
        self.workload = workload
        self.application = application
        self.session = session
        self.interface = interface
        self.mac = mac
        self.port = port
        self.timeout = timeout
    }

    private static let parameters = [
        "application", "session", "vm", "nic", "mac", "port", "timeout_ms", "workload",
    ]

    /// Longest wait that a caller may ask for.
    public static let timeoutMax = Duration.seconds(600)

    public var json: JSONValue {
        let port: JSONValue =
            switch port {
            case .veth(let namespace, let name):
                ["veth": ["namespace": .string(namespace), "name": .string(name)]]
            case .tap(let uid, let gid):
                ["tap": .fields(["uid": uid.map { .integer(Int64($0)) }, "gid": gid.map { .integer(Int64($0)) }])]
            case .later: ["later": true]
            }
        return .fields([
            "application": .text(application), "session": session.map { .text($0) },
            "vm": .string(interface.vm), "nic": .integer(Int64(interface.nic)), "mac": mac.map { .text($0) },
            "port": port, "timeout_ms": timeout.map { .milliseconds($0) }, "workload": workload?.json,
        ])
    }

    public init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, known: Self.parameters)
        application = try fields.value("application", "a UUID")
        session = try fields.optional("session", "a UUID")
        interface = try fields.interface()
        mac = try fields.optional("mac", "an address such as 06:4f:52:00:10:1a")
        if let mac, mac.isMulticast || mac.rawValue == 0 {
            throw .invalidParameter("mac", reason: "\(mac) is not the address of one interface")
        }
        port = try Self.port(fields)
        workload = try fields.workload()
        timeout = try fields.integer("timeout_ms", in: 0...Self.timeoutMax.inNanoseconds / 1_000_000).map {
            .milliseconds($0)
        }
    }

    private static func port(_ fields: Fields) throws(VarlinkFailure) -> PortWish {
        let wish = try Fields(fields.json["port"] ?? .null, name: "port", known: ["veth", "tap", "later"])
        let present = ["veth", "tap", "later"].filter { wish.json[$0] != nil && wish.json[$0] != .null }
        guard present.count == 1 else {
            throw .invalidParameter("port", reason: "exactly one of veth, tap and later")
        }
        switch present[0] {
        case "veth":
            let veth = try Fields(wish.json["veth"] ?? .null, name: "port.veth", known: ["namespace", "name"])
            let namespace = try veth.text("namespace")
            guard namespace.hasPrefix("/") else {
                throw .invalidParameter("port.veth.namespace", reason: "an absolute path, not '\(namespace)'")
            }
            return .veth(namespace: namespace, name: try veth.interfaceName("name"))
        case "tap":
            let tap = try Fields(wish.json["tap"] ?? .null, name: "port.tap", known: ["uid", "gid"])
            let ids = Int64(0)...Int64(UInt32.max - 1)
            return .tap(
                uid: try tap.integer("uid", in: ids).map { UInt32($0) },
                gid: try tap.integer("gid", in: ids).map { UInt32($0) })
        default:
            guard wish.json["later"] == true else { throw .invalidParameter("port.later", reason: "true") }
            return .later
        }
    }
}

/// Parameters of `Plug`.
public struct PlugCall: Hashable, Sendable {
    public var interface: VMInterface
    /// Name that the port has now.
    public var port: String
    /// Path of the namespace that it is in; nil is the host's.
    public var namespace: String?
    /// Where the VM's CPU and memory are read; nil changes nothing.
    public var workload: WorkloadWish?
    public init(
        interface: VMInterface, port: String, namespace: String? = nil, workload: WorkloadWish? = nil
    ) {
        self.workload = workload
        self.interface = interface
        self.port = port
        self.namespace = namespace
    }

    public var json: JSONValue {
        .fields([
            "vm": .string(interface.vm), "nic": .integer(Int64(interface.nic)), "port": .string(port),
            "namespace": namespace.map { .string($0) }, "workload": workload?.json,
        ])
    }

    public init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, known: ["vm", "nic", "port", "namespace", "workload"])
        workload = try fields.workload()
        interface = try fields.interface()
        if try fields.text("port").hasPrefix("/") {
            let reason = "the name of an interface: the frames of a vhost-user socket would pass the host's filters by"
            throw .invalidParameter("port", reason: reason)
        }
        port = try fields.interfaceName("port")
        namespace = fields.isAbsent("namespace") ? nil : try fields.text("namespace")
        if let namespace, !namespace.hasPrefix("/") {
            throw .invalidParameter("namespace", reason: "an absolute path, not '\(namespace)'")
        }
    }
}

/// Parameters of `Detach`.
public struct DetachCall: Hashable, Sendable {
    public var interface: VMInterface
    /// The identifier is kept for the interface this long; nil gives it back.
    public var hold: Duration?
    public init(interface: VMInterface, hold: Duration? = nil) {
        self.interface = interface
        self.hold = hold
    }

    /// Longest hold that a caller may ask for.
    public static let holdMax = Duration.seconds(366 * 86_400)

    public var json: JSONValue {
        .fields([
            "vm": .string(interface.vm), "nic": .integer(Int64(interface.nic)),
            "hold_ms": hold.map { .milliseconds($0) },
        ])
    }

    public init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, known: ["vm", "nic", "hold_ms"])
        interface = try fields.interface()
        hold = try fields.integer("hold_ms", in: 1...Self.holdMax.inNanoseconds / 1_000_000).map { .milliseconds($0) }
    }
}

/// Answer to `Attach` and `Plug`.
public struct Attachment: Hashable, Sendable {
    public var sni: SessionNetworkID
    public var ipv4: IPv4Address
    public var ipv6: IPv6Address
    public var gateway4: IPv4Address
    public var gateway6: IPv6Address
    /// Bytes.
    public var mtu: Int
    /// Name inside the overlay's namespace.
    public var port: String
    public var mac: MACAddress
    /// Priority class of the application.
    public var priority: String
    /// `staged`, `leased`, `reserved` or `cold`.
    public var servedFrom: String
    public init(
        sni: SessionNetworkID, ipv4: IPv4Address, ipv6: IPv6Address, gateway4: IPv4Address, gateway6: IPv6Address,
        mtu: Int, port: String, mac: MACAddress, priority: String, servedFrom: String
    ) {
        self.sni = sni
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.gateway4 = gateway4
        self.gateway6 = gateway6
        self.mtu = mtu
        self.port = port
        self.mac = mac
        self.priority = priority
        self.servedFrom = servedFrom
    }

    public var json: JSONValue {
        [
            "sni": .integer(Int64(sni.rawValue)), "ipv4": .text(ipv4), "ipv6": .text(ipv6),
            "gateway4": .text(gateway4), "gateway6": .text(gateway6), "mtu": .integer(Int64(mtu)),
            "port": .string(port), "mac": .text(mac), "class": .string(priority), "served_from": .string(servedFrom),
        ]
    }

    public init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, known: nil)
        sni = try fields.sni("sni")
        ipv4 = try fields.value("ipv4", "an IPv4 address")
        ipv6 = try fields.value("ipv6", "an IPv6 address")
        gateway4 = try fields.value("gateway4", "an IPv4 address")
        gateway6 = try fields.value("gateway6", "an IPv6 address")
        mtu = try fields.count("mtu")
        port = try fields.text("port")
        mac = try fields.value("mac", "a MAC address")
        priority = try fields.text("class")
        servedFrom = try fields.text("served_from")
    }
}
