import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// A VM on its way from the first host to the second, and who talks to it meanwhile: a VM beside it, one at the
/// destination, and one at a third host.
struct Journey {
    let bed: TestBed
    let application: ApplicationID
    let traveller: Guest
    let talkers: [Guest]
    /// Where the VM arrives: a namespace whose `eth0` is down until it does.
    let arrival: VMSlot
    /// The VM is one of a hypervisor's, on a tap of the agent's, and not a namespace.
    let isVirtualMachine: Bool

    private static let vm = "red-1"
    var source: ClusterHost { bed.cluster.hosts[0] }
    var destination: ClusterHost { bed.cluster.hosts[1] }
    var port: String { traveller.attachment.port }

    struct Row: Decodable {
        var sni: UInt32
        var vm: String
        var source: String
        var destination: String
        var phase: String
        var waitsFor: [String]?
        var aborted: Bool?
        var isSettled: Bool { waitsFor?.isEmpty ?? true }
    }
    private struct Rows: Decodable { var migrations: [Row]? }

    /// - Parameter boot: starts the VM on the port that it was given at the source; nil for a namespace as VM.
    init(_ bed: TestBed, boot: ((LocalAPI.Attachment) throws -> Void)? = nil) throws {
        self.bed = bed
        isVirtualMachine = boot != nil
        application = try bed.createApplication("red")
        if let boot {
            let attachment = try bed.socket(bed.cluster.hosts[0]).attach(
                application: application, vm: Self.vm, port: .tap(uid: nil, gid: nil), timeout: .seconds(10))
            try boot(attachment)
            traveller = Guest(name: Self.vm, slot: try bed.freeSlot(), attachment: attachment)
        } else {
            traveller = try bed.launch(Self.vm, of: application, on: 0)
        }
        talkers = [
            try bed.launch("red-2", of: application, on: 0), try bed.launch("red-3", of: application, on: 1),
            try bed.launch("red-4", of: application, on: 2),
        ]
        arrival = try bed.freeSlot()
        for talker in talkers {
            for address in traveller.addresses { #expect(talker.reaches(address, within: .seconds(60))) }
        }
    }

    // MARK: Operator and hypervisors

    func migration() throws(KitError) -> Row? {
        try bed.cluster.control(Rows.self, ["migration", "list"]).migrations?.first
    }

    func wait(until what: String, _ condition: (Row?) -> Bool) throws(KitError) {
        try bed.cluster.waitUntil(what, timeout: .seconds(20)) { () throws(KitError) in condition(try migration()) }
    }

    /// Asks for the migration and prepares the destination: the same interface, on standby.
    func prepare() throws {
        _ = try bed.cluster.control(Row.self, ["migration", "start", "--vm", Self.vm, "--to", destination.name])
        try wait(until: "the destination may be prepared") { $0?.isSettled ?? false }
        guard !isVirtualMachine else { return try attachAtDestination(.tap(uid: nil, gid: nil)) }
        try NetworkNamespace.setSysctls(
            [("net/ipv6/conf/all/disable_ipv6", "1"), ("net/ipv6/conf/default/disable_ipv6", "1")], in: arrival.name)
        try attachAtDestination(.veth(namespace: arrival.path, name: "eth0"))
        try Command.run(["ip", "-n", arrival.name, "link", "set", "eth0", "up"])
    }

    private func attachAtDestination(_ port: PortWish) throws {
        try bed.cluster.waitUntil("the destination has the sub-lease", timeout: .seconds(10)) { () throws(KitError) in
            try bed.socket(destination).status().leases.contains { $0.block.size == 1 }
        }
        let there = try bed.socket(destination).attach(
            application: application, vm: Self.vm, port: port, timeout: .seconds(5))
        #expect(there.sni == traveller.attachment.sni && there.mac == traveller.attachment.mac)
        #expect(there.addressing == traveller.attachment.addressing)
    }

    /// The source's guest answers nobody any more, as one whose processors have stopped.
    func pauseSource() throws {
        try NetworkNamespace.setSysctls(
            [("net/ipv4/icmp_echo_ignore_all", "1"), ("net/ipv6/icmp/echo_ignore_all", "1")], in: traveller.slot.name)
    }

    /// What QEMU sends first when a VM goes on: no hook of nf_tables for IP or ARP ever sees it.
    func announce() throws {
        let frame = Packets.reverseARP(of: traveller.attachment.mac)
        try NamespaceSocket(.frame, .ipv4, in: arrival.name).send(frame: frame, through: "eth0")
    }

    /// The guest's memory is here: so are its addresses.
    func resume() throws {
        try NetworkNamespace.setSysctls(
            [("net/ipv6/conf/all/disable_ipv6", "0"), ("net/ipv6/conf/eth0/disable_ipv6", "0")], in: arrival.name)
        try arrival.configure(traveller.attachment.addressing)
    }

    func abort() throws {
        _ = try bed.cluster.control(Row.self, ["migration", "abort", "--vm", Self.vm, "--reason", "a test"])
    }

    func detach(at host: ClusterHost) throws { try bed.socket(host).detach(vm: Self.vm) }

    // MARK: What is seen

    /// Every talker pings both addresses until `body` is over.
    func underPings(
        every interval: Duration = .milliseconds(2), _ body: () async throws -> Void
    ) async throws -> [PingStatistics] {
        let stop = StopFlag()
        let streams = talkers.flatMap { talker in traveller.addresses.map { (talker.slot.echo(for: $0), $0) } }
        return try await withThrowingTaskGroup(of: PingStatistics.self) { group in
            for (socket, address) in streams {
                group.addTask {
                    try await offload { () throws(KitError) in
                        // Its thread may begin late where many tests run.
                        socket.stream(to: address, every: interval, until: stop, atLeast: 60)
                    }
                }
            }
            do {
                try await body()
            } catch {
                stop.raise()
                throw error
            }
            stop.raise()
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    private struct State: Decodable {
        struct Object: Decodable {
            var kind: String
            var device, prefix, set, element: String?
            var nexthop: Int64?
        }
        var actual: [Object]
    }

    /// What a host's kernel holds of the VM and of nobody else, in words: what belongs to its port, the way that packets
    /// to it take, and whether the tunnel lets them in.
    func traces(at host: ClusterHost) throws -> Set<String> {
        let text = try Command.run(
            [bed.cluster.program("outrider-agent"), "export", "--config", host.configuration],
            namespace: host.namespace)
        let addressing = traveller.attachment.addressing
        let prefixes = ["\(addressing.ipv4)/32", "\(addressing.ipv6)/128", "\(addressing.ipv6.network72)/72"]
        var found: Set<String> = []
        for object in try JSONDecoder().decode(State.self, from: Data(text.utf8)).actual {
            if object.device == port || object.element?.hasPrefix(port + " ") ?? false { found.insert("port") }
            if let prefix = object.prefix, prefixes.contains(prefix), object.kind == "route" {
                found.insert(object.nexthop == nil ? "route to port" : "route elsewhere")
            }
            guard let set = object.set, set.hasPrefix("ingress"), let element = object.element else { continue }
            let isOurs = [". \(addressing.ipv4)", ". \(addressing.ipv6)"].contains { element.hasSuffix($0) }
            if isOurs { found.insert("ingress") }
        }
        return found
    }
}

extension IPv6Address {
    /// The network of one identifier.
    fileprivate var network72: IPv6Address { IPv6Address(high: high, low: low & 0xFF00_0000_0000_0000) }
}
