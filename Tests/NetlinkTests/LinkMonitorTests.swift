import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

@Suite struct LinkMonitorTests {
    @Test func devicesAndRoutesAreSeenUnlessTheyAreOurOwn() async throws {
        let bed = try Bed()
        let monitor = try LinkMonitor(in: bed.namespace.overlay, ignoring: [bed.route.port])
        #expect(bed.route.port != 0)
        let index = try bed.makeDevice()
        try bed.route.change(.route(.v4(IPv4Address(0x0A00_0000), length: 24), metric: 0, .unreachable, index: nil))
        try Command.ipBatch(
            [
                "route add unreachable 10.0.9.0/24", "nexthop add id 9 blackhole",
                "neigh add 10.1.1.1 lladdr 02:00:00:00:00:01 dev outrider nud permanent", "link set outrider down",
                "link del outrider",
            ], namespace: bed.overlayName)
        var seen: Set<KernelKind> = []
        var routes = 0
        var wentDown = false
        for await event in monitor.events {
            switch event {
            case .changed(let kind):
                seen.insert(kind)
                routes += kind == .route ? 1 : 0
            case .link(let link) where link.index == index && !link.isUp: wentDown = true
            default: break
            }
            if event == .linkGone(index: index, name: "outrider") { break }
        }
        monitor.stop()
        #expect(seen == [.route, .nexthop, .neighbor])
        #expect(wentDown)
        // The one that iproute2 added: neither our own nor those that the kernel adds with the device.
        #expect(routes == 1)
    }

    @Test func aSlowConsumerIsToldToResync() async throws {
        let bed = try Bed()
        let monitor = try LinkMonitor(in: bed.namespace.overlay, bufferedEventsMax: 8)
        let messages = (0..<200).map {
            RouteMessage.route(.v4(IPv4Address(10 << 24 | $0 << 8), length: 24), metric: 0, .unreachable, index: nil)
        }
        #expect(try bed.route.batch(messages).isEmpty)
        // The last change is seen by everybody: when it is here, all the others have been, or were dropped.
        try Command.run(["ip", "-n", bed.overlayName, "link", "add", "last", "type", "bridge"])
        while true {
            usleep(1000)
            let socket = try RouteSocket(in: bed.namespace.overlay)
            if try socket.link(named: "last") != nil { break }
        }
        var events = 0
        var resync = false
        for await event in monitor.events {
            events += 1
            if case .resync = event {
                resync = true
                break
            }
        }
        monitor.stop()
        #expect(resync)
        #expect(events <= 200)
    }

    @Test func lostKernelMessagesAreAResync() async throws {
        let bed = try Bed()
        let socket = try NetlinkSocket(protocol: 0, in: bed.namespace.overlay)
        try socket.join(group: 7)
        var small: Int32 = 2304
        #expect(unsafe setsockopt(socket.fd, SOL_SOCKET, SO_RCVBUF, &small, socklen_t(4)) == 0)
        let messages = (0..<2000).map {
            RouteMessage.route(.v4(IPv4Address(10 << 24 | $0 << 8), length: 24), metric: 0, .unreachable, index: nil)
        }
        #expect(try bed.route.batch(messages).isEmpty)
        let error = #expect(throws: NetlinkError.self) { while try !socket.receiveAll().isEmpty {} }
        #expect(error?.isOverrun == true)
        // The socket is empty and usable afterwards.
        #expect(try socket.receiveAll().isEmpty)
        try bed.route.change(.route(.v4(IPv4Address(11 << 24), length: 24), metric: 0, .unreachable, index: nil))
        #expect(try socket.receiveAll().count == 1)
    }

    /// Somebody else's changes of our tables are heard, our own and those of other tables are not.
    @Test func tablesAreSeenByName() async throws {
        let bed = try Bed()
        let tables = try NFTables(.overlay(device: "outrider"), in: bed.namespace.overlay)
        let monitor = try LinkMonitor(
            tables: tables.names, in: bed.namespace.overlay, ignoring: [tables.port])
        _ = try bed.makeDevice()
        _ = try tables.ensureStructure { [] }
        _ = try tables.apply([.create(.element(.arpSender(device: "sni000001", IPv4Address(1))))])
        for line in [
            "add table inet outrider_other", "add table inet other", "add chain inet other c",
            "flush set arp outrider arp_sender",
            "add element inet outrider source4 { \"sni000001\" . 10.0.0.1 }", "delete table inet outrider",
        ] { try Command.run(["nft", line], namespace: bed.overlayName) }
        var heard: [Netlink.KernelEvent] = []
        for await event in monitor.events {
            heard.append(event)
            // Of the deletion: many messages, the last one is the table's own.
            if heard.count > 12 { break }
        }
        monitor.stop()
        #expect(Set(heard) == [.tableChanged("outrider")], "\(Set(heard))")
    }

    @Test func everyVNIIsSeen() async throws {
        let bed = try Bed()
        let monitor = try LinkMonitor(in: bed.namespace.overlay, ignoring: [bed.route.port])
        _ = try bed.makeDevice()
        for verb in ["add", "delete"] {
            try Command.run(["bridge", "-n", bed.overlayName, "vni", verb, "vni", "77", "dev", "outrider"])
        }
        var seen: [Netlink.KernelEvent] = []
        for await event in monitor.events {
            if case .vni = event { seen.append(event) }
            if seen.count == 2 { break }
        }
        monitor.stop()
        let vni = SessionNetworkID(unchecked: 77)
        #expect(seen == [.vni(vni, isPresent: true), .vni(vni, isPresent: false)])
    }
}
