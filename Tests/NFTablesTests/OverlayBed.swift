import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// A guest: its port is a tap whose other end the test reads and writes, so every frame of it is the test's own.
struct Guest {
    let port: Port
    let address4: IPv4Address
    let address6: IPv6Address
    let linkLocal: IPv6Address
    let tap: Int32

    /// Sends an IPv4, IPv6 or ARP payload to the gateway.
    func send(_ payload: [UInt8], type: Int? = nil) {
        let guessed = (payload.first ?? 0) >> 4 == 6 ? 0x86DD : 0x0800
        let frame = Frames.ethernet(from: port.mac, type: type ?? guessed, payload)
        #expect(unsafe write(tap, frame, frame.count) == frame.count)
    }

    func sendARP(from sender: IPv4Address) { send(Frames.arpRequest(from: sender, mac: port.mac), type: 0x0806) }

    /// Waits for a frame that satisfies the condition; other frames are thrown away.
    func receives(within milliseconds: Int32 = 2000, _ condition: ([UInt8]) -> Bool) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 2048)
        let deadline = ContinuousClock.now + .milliseconds(Int(milliseconds))
        while true {
            var poller = pollfd(fd: tap, events: Int16(POLLIN), revents: 0)
            let left = max(0, Int32((deadline - .now).inNanoseconds / 1_000_000))
            guard unsafe poll(&poller, 1, left) > 0 else { return false }
            let count = unsafe read(tap, &buffer, buffer.count)
            if count > 0, condition(Array(buffer[..<count])) { return true }
        }
    }

    /// True when exactly this IP packet arrives; only hop limit and checksum may differ.
    func receives(packet: [UInt8], within milliseconds: Int32 = 2000) -> Bool {
        receives(within: milliseconds) { frame in
            guard frame.count >= 14 + packet.count else { return false }
            let got = Array(frame[14..<14 + packet.count])
            let header = packet[0] >> 4 == 6 ? 40 : 20
            return got[0] == packet[0] && got[header...] == packet[header...]
                && got[(header == 40 ? 8 : 12)..<header] == packet[(header == 40 ? 8 : 12)..<header]
        }
    }
}

/// One host: its own namespace with the underlay, the overlay's namespace, and the desired state of its data plane.
final class OverlayHost {
    let name: String
    let overlay: String
    let vtep: IPAddress
    let configuration: DataplaneConfiguration
    let sockets: NamespaceSockets
    let tables: NFTables
    let underlay: NFTables
    var state: DataplaneState

    init(name: String, vtep: IPAddress) throws {
        self.name = name
        overlay = name + "o"
        self.vtep = vtep
        configuration = DataplaneConfiguration(vtep: vtep, mtu: 1450)
        sockets = try NamespaceSockets(path: NetworkNamespace.path(overlay))
        tables = try NFTables(.overlay(device: configuration.device), in: sockets)
        underlay = try NFTables(
            .underlay(vxlanPort: configuration.vxlanPort), in: NamespaceSockets(path: NetworkNamespace.path(name)))
        state = DataplaneState(configuration: configuration, deletes: .everything)
    }

    /// Makes the VXLAN device in the host's namespace and moves it, down, into the overlay's.
    func createDevice() throws {
        let mac = vtep.tunnelMAC
        try Command.run([
            "ip", "-n", name, "link", "add", configuration.device, "address", "\(mac)", "type", "vxlan", "dstport",
            "4789",
            "local", "\(vtep)", "external", "vnifilter", "nolearning", "ttl", "64",
        ])
        try Command.run(["ip", "-n", name, "link", "set", configuration.device, "netns", overlay])
    }

    func setDeviceUp() throws {
        try Command.run(["ip", "-n", overlay, "link", "set", configuration.device, "mtu", "1450", "up"])
    }

    /// Creates the guest's tap and takes its port into the desired state.
    func addGuest(sni: UInt32, block: UInt32, application: ApplicationID) throws -> Guest {
        let sni = SessionNetworkID(unchecked: sni)
        let mac = MACAddress(0x064F_5200_0000 | UInt64(sni.rawValue))
        let interface = try #require(VMInterface(vm: "vm\(sni)", nic: 0))
        let port = Port(
            sni: sni, block: try #require(SNIBlock(first: SessionNetworkID(unchecked: block), size: 16)),
            application: application, interface: interface, mac: mac)
        let tap = try sockets.openTap(name: port.name, persistent: false)
        #expect(fcntl(tap, F_SETFL, fcntl(tap, F_GETFL) | O_NONBLOCK) == 0)
        let address = "\(DataplaneConfiguration.portMAC)"
        try Command.run(["ip", "-n", overlay, "link", "set", port.name, "address", address, "mtu", "1450", "up"])
        try state.apply(.setPort(port))
        let linkLocal = IPv6Address.linkLocal(0x044F_52FF_FE00_0000 | UInt64(sni.rawValue))
        return Guest(
            port: port, address4: configuration.plan.ipv4(of: sni), address6: configuration.plan.ipv6(of: sni),
            linkLocal: linkLocal, tap: tap)
    }

    /// Elements through the class under test, everything else through `ip` and `bridge`.
    func apply() throws {
        for step in state.plan().steps {
            let filtering = step.operations.filter { if case .element = $0.key.kind { true } else { false } }
            let endpoints = filtering.filter {
                if case .element(let set) = $0.key.kind { set.isUnderlay } else { false }
            }
            for (tables, operations) in [(underlay, endpoints), (tables, filtering.filter { !endpoints.contains($0) })]
            where !operations.isEmpty {
                let outcome = try tables.apply(operations)
                #expect(outcome.failed.isEmpty, "\(outcome.failed)")
                outcome.completed.forEach { state.completed($0) }
            }
            for operation in step.operations where !filtering.contains(operation) {
                try Command.run(try #require(Self.command(operation, in: overlay)))
                state.completed(operation)
            }
        }
    }

    private static func command(_ operation: KernelOperation, in namespace: String) -> [String]? {
        let ip = ["ip", "-n", namespace]
        let metric = { (value: UInt32) in ["metric", "\(value)", "proto", "83"] }
        switch operation {
        case .delete: return nil
        case .create(let object), .replace(let object):
            switch object {
            case .vni(let vni): return ["bridge", "-n", namespace, "vni", "add", "vni", "\(vni)", "dev", "outrider"]
            case .neighbor(let device, let address, let mac):
                return ip + ["neigh", "replace", "\(address)", "lladdr", "\(mac)", "dev", device, "nud", "permanent"]
            case .nexthop(let nexthop):
                return ip + [
                    "nexthop", "replace", "id", "\(nexthop.id)", "encap", "ip", "id", "\(nexthop.vni)", "src",
                    "\(nexthop.source)", "dst", "\(nexthop.vtep)", "via", "inet6", "\(nexthop.gateway)", "dev",
                    nexthop.device, "proto", "83",
                ]
            case .route(let prefix, let number, .nexthop(let id)):
                return ip + ["route", "replace", "\(prefix)", "nhid", "\(id)"] + metric(number)
            case .route(let prefix, let number, .unreachable):
                return ip + ["route", "replace", "unreachable", "\(prefix)"] + metric(number)
            case .route(let prefix, let number, .device(let device, let source, let mtu)):
                return ip + ["route", "replace", "\(prefix)", "dev", device] + metric(number)
                    + (source.map { ["src", "\($0)"] } ?? []) + (mtu.map { ["mtu", "\($0)"] } ?? [])
            case .address(let device, let prefix):
                return ip + ["addr", "replace", "\(prefix)", "dev", device, "nodad"]
            case .element: return nil
            }
        }
    }

    /// How often the rule `drop NAME` dropped.
    func drops(_ name: String) throws -> UInt64 {
        try #require(try tables.dropCounters()[name], "no rule 'drop \(name)'").packets
    }

    /// Does something and expects that exactly this rule drops one packet of it.
    func expectDrop(_ name: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) throws
    {
        let before = try tables.dropCounters()
        try body()
        let deadline = ContinuousClock.now + .seconds(3)
        var after = try tables.dropCounters()
        while after[name] == before[name], ContinuousClock.now < deadline {
            usleep(2000)
            after = try tables.dropCounters()
        }
        let counted = after.mapValues(\.packets).filter { $0.value != before[$0.key]?.packets }.keys.sorted()
        #expect(counted == [name], sourceLocation: sourceLocation)
    }

    /// Neighbor entries of a device that are not ours.
    func learnedNeighbors(_ device: String) throws -> [String] {
        try Command.run(["ip", "-n", overlay, "neigh", "show", "dev", device]).split(separator: "\n").map(String.init)
            .filter { !$0.contains("PERMANENT") && !$0.hasPrefix("ff02") }
    }
}

/// Two hosts with an underlay between them, and two applications with a block on each.
final class OverlayBed {
    let hosts: [OverlayHost]
    let names: [String]
    let red = ApplicationID(UUID128(high: 0, low: 1))
    let blue = ApplicationID(UUID128(high: 0, low: 2))
    /// Guests of red and blue on each host.
    let reds: [Guest]
    let blues: [Guest]

    static let redBlocks: [UInt32] = [4096, 4352]
    static let blueBlocks: [UInt32] = [8192, 8448]

    init(_ label: String) throws {
        let names = (1...2).map { "otr-nft\(getpid())-\(label)\($0)" }
        self.names = names + names.map { $0 + "o" }
        try NetworkNamespace.create(self.names)
        let veth = "link add u type veth peer name u netns \(names[1])"
        try Command.ipBatch([veth], namespace: names[0])
        for (index, name) in names.enumerated() {
            try Command.ipBatch(
                ["link set lo up", "addr add 192.0.2.\(index + 1)/24 dev u", "link set u mtu 1500 up"], namespace: name)
            try Command.ipBatch(["link set lo up"], namespace: name + "o")
            try NetworkNamespace.setSysctls(
                [("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1")], in: name + "o")
        }
        hosts = try names.enumerated().map { index, name in
            try OverlayHost(name: name, vtep: .v4(IPv4Address(0xC000_0201 + UInt32(index))))
        }
        var reds: [Guest] = []
        var blues: [Guest] = []
        for (index, host) in hosts.enumerated() {
            try host.createDevice()
            reds.append(
                try host.addGuest(sni: Self.redBlocks[index] + 1, block: Self.redBlocks[index], application: red))
            blues.append(
                try host.addGuest(sni: Self.blueBlocks[index] + 1, block: Self.blueBlocks[index], application: blue))
            try host.declare(index: index, peer: hosts[1 - index].vtep, red: red, blue: blue)
            // The order of design: chain and elements before the device is up.
            #expect(try host.tables.ensureStructure { [] } == ["inet outrider", "arp outrider", "netdev outrider"])
            #expect(try host.underlay.ensureStructure { [] } == ["inet outrider_underlay"])
            try host.setDeviceUp()
            try host.apply()
        }
        self.reds = reds
        self.blues = blues
    }

    deinit {
        for guest in reds + blues { close(guest.tap) }
        try? NetworkNamespace.remove(names)
    }

    /// A VXLAN packet from the first host's own namespace, with any tunnel id and content.
    func inject(vni: UInt32, type: Int, _ packet: [UInt8], from host: Int = 0) throws {
        let sockets = try NamespaceSockets(path: NetworkNamespace.path(hosts[host].name))
        let fd = try sockets.open(domain: AF_INET, type: Int32(SOCK_DGRAM.rawValue), protocol: 0)
        defer { close(fd) }
        let target = hosts[1 - host].vtep
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(4789).bigEndian
        guard case .v4(let target4) = target else { preconditionFailure("an IPv4 bed") }
        address.sin_addr.s_addr = target4.rawValue.bigEndian
        let payload = Frames.vxlan(vni, to: target, type: type, packet)
        let sent = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(fd, payload, payload.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(sent == payload.count)
    }
}

extension OverlayHost {
    /// What both applications need on this host: own blocks, the peer's blocks, scopes.
    fileprivate func declare(index: Int, peer: IPAddress, red: ApplicationID, blue: ApplicationID) throws {
        for (application, blocks) in [(red, OverlayBed.redBlocks), (blue, OverlayBed.blueBlocks)] {
            let own = try #require(SNIBlock(first: SessionNetworkID(unchecked: blocks[index]), size: 16))
            let other = try #require(SNIBlock(first: SessionNetworkID(unchecked: blocks[1 - index]), size: 16))
            try state.apply(.setLocalBlock(LocalBlock(block: own, application: application)))
            try state.apply(.setRemoteBlock(RemoteRoute(block: other, application: application, vtep: peer)))
            let range = SNIRange(unchecked: blocks[0], count: 512)
            try state.apply(.setScope(Scope(application: application, ranges: [range])))
        }
    }
}
