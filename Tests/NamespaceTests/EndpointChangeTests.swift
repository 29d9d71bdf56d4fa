import Foundation
import NamespaceKit
import NetworkTypes
import Testing

/// A host gets another tunnel endpoint under traffic: real programs, real packets.
@Suite(.serialized)
struct EndpointChangeTests {
    private struct Hosts: Decodable {
        struct Host: Decodable {
            var id: String
            var vtep: String
            var formerVtep: String?
            var vtepAwaits: [String]?
        }
        var hosts: [Host]
    }

    /// The endpoint that the first host gets.
    private static func fresh(_ endpoints: Underlay.Endpoints) throws -> IPAddress {
        try #require(IPAddress(endpoints == .ipv4 ? "10.0.16.77" : "2001:db8:1::77"))
    }

    private static func addAddress(_ vtep: IPAddress, to host: ClusterHost) throws {
        // The first address of a network must be able to go without the others.
        try NetworkNamespace.setSysctls([("net/ipv4/conf/u0/promote_secondaries", "1")], in: host.namespace)
        let text = vtep.isIPv6 ? "\(vtep)/64 dev u0 nodad" : "\(vtep)/24 dev u0"
        try Command.ipBatch(["addr add \(text)"], namespace: host.namespace)
    }

    private static func state(of host: ClusterHost, in bed: TestBed) throws(KitError) -> Hosts.Host? {
        try bed.cluster.control(Hosts.self, ["host", "list"]).hosts.first { $0.id == host.name }
    }

    private static func restart(_ host: ClusterHost, in bed: TestBed, vtep: IPAddress) throws {
        try bed.cluster.configure(host, vtep: vtep)
        #expect(bed.cluster.agent(host)?.stop() == 0)
        try bed.cluster.startAgent(host)
        try bed.waitUntilBinding(host)
    }

    private static func admitted(at host: ClusterHost, _ vtep: IPAddress) throws(KitError) -> Bool {
        let set = vtep.isIPv6 ? "vtep6" : "vtep"
        let text = try Command.run(["nft", "list", "set", "inet", "outrider_underlay", set], namespace: host.namespace)
        return text.split { " {},\n".contains($0) }.contains("\(vtep)")
    }

    /// 1,000 echo requests a second each way over 100 Mbit/s of TCP, through the whole change.
    @Test(arguments: [Underlay.Endpoints.ipv4, .ipv6])
    func anotherEndpointUnderLoadLosesNoPacket(endpoints: Underlay.Endpoints) async throws {
        try await TestBed.run("ep\(endpoints.rawValue)", endpoints: endpoints) { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            for address in far.addresses { #expect(near.reaches(address, within: .seconds(5))) }
            let (host, peer) = (bed.cluster.hosts[0], bed.cluster.hosts[1])
            let vtep = try Self.fresh(endpoints)

            let log = bed.cluster.settings.directory + "/iperf3-server.log"
            let server = try ChildProcess(["iperf3", "-s", "-1"], namespace: far.slot.name, output: log)
            defer { server.kill() }
            try bed.cluster.waitUntil("iperf3 listens", timeout: .seconds(5), by: server) { () throws(KitError) in
                try Command.run(["ss", "-Htln", "sport = :5201"], namespace: far.slot.name).contains("5201")
            }
            let load = try ChildProcess(
                ["iperf3", "-c", "\(far.ipv4)", "-t", "60", "-b", "100M"], namespace: near.slot.name,
                output: bed.cluster.settings.directory + "/iperf3-client.log")
            defer { load.kill() }
            let stop = StopFlag()
            async let there = offload { () throws(KitError) in
                near.slot.echoIPv4.stream(to: far.ipv4, every: .milliseconds(1), until: stop)
            }
            async let back = offload { () throws(KitError) in
                far.slot.echoIPv6.stream(to: near.ipv6, every: .milliseconds(1), until: stop)
            }
            try await Task.sleep(for: .milliseconds(500))
            try Self.addAddress(vtep, to: host)
            try Self.restart(host, in: bed, vtep: vtep)
            try bed.cluster.waitUntil("the endpoint has changed", timeout: .seconds(20)) { () throws(KitError) in
                let state = try Self.state(of: host, in: bed)
                guard state?.vtep == "\(vtep)", state?.formerVtep == nil else { return false }
                let isFreshTaken = try Self.admitted(at: peer, vtep)
                let isFormerTaken = try Self.admitted(at: peer, host.vtep)
                return isFreshTaken && !isFormerTaken
            }
            try await Task.sleep(for: .milliseconds(300))
            // Nothing uses the old one any more: it can go.
            try Command.ipBatch(
                ["addr del \(host.vtep)/\(vtep.isIPv6 ? 64 : 24) dev u0"], namespace: host.namespace)
            try await Task.sleep(for: .milliseconds(500))
            #expect(load.isRunning, "the connection lives: \(load.outputText.suffix(300))")
            stop.raise()
            for result in try await [there, back] {
                #expect(result.sent > 1_000)
                #expect(result.lost == 0, "of \(result.sent), at most \(result.longestGap) in a row")
            }
            let nexthops = try Command.run(["ip", "-n", host.overlayNamespace, "nexthop"])
            #expect(nexthops.contains("src \(vtep) ") && !nexthops.contains("src \(host.vtep) "), "\(nexthops)")
            let device = try Command.run(["ip", "-n", host.overlayNamespace, "-d", "link", "show", "outrider"])
            #expect(device.contains("local \(vtep) "), "\(device)")
        }
    }

    /// A peer whose agent is away takes packets from the old endpoint only.
    @Test func aPeerThatCannotBeToldHoldsTheChangeAndLosesNothing() async throws {
        try await TestBed.run("epaway", hosts: 3) { bed in
            let red = try bed.createApplication("red")
            let guests = try (0..<3).map { try bed.launch("red-\($0)", of: red, on: $0) }
            for guest in guests[1...] { #expect(guests[0].reaches(guest.ipv4, within: .seconds(5))) }
            let (host, away) = (bed.cluster.hosts[0], bed.cluster.hosts[2])
            let vtep = try Self.fresh(.ipv4)
            bed.cluster.agent(away)?.kill()
            let stop = StopFlag()
            async let deaf = offload { () throws(KitError) in
                guests[0].slot.echoIPv4.stream(to: guests[2].ipv4, every: .milliseconds(2), until: stop)
            }
            async let heard = offload { () throws(KitError) in
                guests[1].slot.echoIPv6.stream(to: guests[0].ipv6, every: .milliseconds(2), until: stop)
            }
            try Self.addAddress(vtep, to: host)
            try Self.restart(host, in: bed, vtep: vtep)
            try bed.cluster.waitUntil("one peer is awaited", timeout: .seconds(20)) { () throws(KitError) in
                try Self.state(of: host, in: bed)?.vtepAwaits == [away.name]
            }
            // Its restart in the middle keeps to what the kernel sends from.
            #expect(bed.cluster.agent(host)?.kill() == 137)
            try bed.cluster.startAgent(host)
            try bed.waitUntilBinding(host)
            try await Task.sleep(for: .seconds(1))
            #expect(try Self.state(of: host, in: bed)?.formerVtep == "\(host.vtep)")
            try bed.cluster.startAgent(away)
            try bed.cluster.waitUntil("the endpoint has changed", timeout: .seconds(20)) { () throws(KitError) in
                let state = try Self.state(of: host, in: bed)
                return state?.vtep == "\(vtep)" && state?.formerVtep == nil
            }
            try await Task.sleep(for: .milliseconds(500))
            stop.raise()
            for result in try await [deaf, heard] {
                #expect(result.sent > 500)
                #expect(result.lost == 0, "of \(result.sent), at most \(result.longestGap) in a row")
            }
        }
    }
}
