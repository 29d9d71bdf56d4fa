import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

@Suite struct BatchTests {
    static func vni(_ number: UInt32) -> SessionNetworkID { SessionNetworkID(unchecked: number) }

    @Test func failuresInTheMiddleAreMappedBackAndStopNothing() throws {
        let bed = try Bed()
        let index = try bed.makeDevice()
        var messages: [RouteMessage] = []
        // More than one send, and the failing ones neither first nor last: routes to a nexthop that does not exist.
        let bad: Set<Int> = [3, 200, 300, 599]
        let nexthop = Nexthop(
            id: 77, vni: Self.vni(4096), source: Bed.vtep, vtep: .v4(IPv4Address(0xC000_0202)),
            gateway: .linkLocal(2), device: "outrider")
        try bed.route.change(.nexthop(nexthop, index: index))
        for number in 0..<600 {
            let prefix = IPPrefix.v4(IPv4Address(10 << 24 | UInt32(number) << 8), length: 24)
            messages.append(.route(prefix, metric: 0, .nexthop(bad.contains(number) ? 999 : 77), index: nil))
        }
        let before = bed.route.writes
        let errors = try bed.route.batch(messages)
        #expect(bed.route.writes - before == 600)
        #expect(Set(errors.keys) == bad)
        for (number, error) in errors {
            #expect(error.object == "\(IPPrefix.v4(IPv4Address(10 << 24 | UInt32(number) << 8), length: 24)) metric 0")
            #expect(error.code == EINVAL && error.detail.contains("Nexthop id does not exist"), "\(error)")
        }
        #expect(try bed.route.routes().filter { $0.target == .nexthop(77) }.count == 596)
    }

    @Test func sequenceNumbersGoAroundWithoutZero() {
        let run = SequenceRun(first: .max - 1)
        #expect(([.max - 1, .max, 1, 2] as [UInt32]).map { run.offset(of: $0) } == [0, 1, 2, 3])
        #expect(run.offset(of: 0) == nil)
        #expect(SequenceRun(first: 1).offset(of: 256) == 255)
    }

    @Test func eachMessageAloneSaysTheSame() throws {
        let bed = try Bed()
        let message = RouteMessage.route(.v4(IPv4Address(10 << 24), length: 24), metric: 0, .nexthop(5), index: nil)
        let error = #expect(throws: NetlinkError.self) { try bed.route.change(message) }
        #expect(error?.detail == "Nexthop id does not exist")
        #expect(error?.description.contains("set route 10.0.0.0/24") == true)
    }

    @Test func secondDeviceOnThePortGivesANamedError() throws {
        let bed = try Bed()
        let index = try bed.makeDevice()
        try bed.route.change(.vni(Self.vni(4096), index: index, add: true))
        // Accepted by the kernel: the conflict shows with the first common VNI.
        let other = try Bed.otherOverlay(host: bed)
        defer { try? OverlayNamespace.delete(path: other.path) }
        let route = try RouteSocket(in: NamespaceSockets(path: other.path))
        let second = try #require(try route.link(named: "second")).index
        let error = #expect(throws: NetlinkError.self) {
            try route.change(.vni(Self.vni(4096), index: second, add: true))
        }
        #expect(error?.isExists == true || error?.code == EINVAL)
        #expect(error?.detail.contains("VNI in use") == true, "\(String(describing: error))")
        #expect(error?.object == "4096")
    }
}

extension Bed {
    /// A second external, filtered device on the same port of the same host, in a namespace of its own.
    static func otherOverlay(host bed: Bed) throws -> (path: String, name: String) {
        let name = uniqueName("x")
        let path = NetworkNamespace.path(name)
        try OverlayNamespace.create(path: path)
        try Command.run([
            "ip", "-n", bed.hostName, "link", "add", "second", "type", "vxlan", "dstport", "4789", "external",
            "vnifilter",
        ])
        try Command.run(["ip", "-n", bed.hostName, "link", "set", "second", "netns", name])
        try Command.run(["ip", "-n", name, "link", "set", "second", "up"])
        return (path, name)
    }
}
