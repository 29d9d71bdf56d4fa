import CSystemShim
import Glibc
import NamespaceKit
import Testing

@testable import Netlink

@Suite struct SystemTests {
    @Test func socketsKeepTheirNamespaceAndTheCallersThreadStays() throws {
        let bed = try Bed()
        let before = try NamespaceDescriptor()
        _ = try bed.makeDevice()
        #expect(try NamespaceDescriptor().isSame(as: before))
        #expect(!bed.namespace.overlay.namespace.isSame(as: before))
        #expect(try RouteSocket(in: bed.namespace.overlay).link(named: "outrider") != nil)
    }

    @Test func genericFamiliesAreResolvedByName() throws {
        let socket = try GenericSocket(in: NamespaceSockets(path: nil))
        #expect(try socket.resolveFamily("nlctrl") == 16)
        #expect(try socket.resolveFamily("TASKSTATS") > 16)
        let error = #expect(throws: NetlinkError.self) { try socket.resolveFamily("no-such-family") }
        #expect(error?.isNotFound == true && error?.object == "no-such-family")
        // The socket survives the lookups.
        #expect(try socket.resolveFamily("nlctrl") == 16)
    }

    @Test func serviceManagerHearsOfUs() throws {
        let name = "@otr-\(getpid())-notify"
        let listener = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        fill(&address.sun_path, with: [0] + Array(name.utf8.dropFirst()))
        let length = socklen_t(2 + name.utf8.count)
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(listener, $0, length) }
        }
        try #require(bound == 0)
        #expect(unsafe outrider_sd_notify(name, "READY=1") == 0)
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = unsafe recv(listener, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        #expect(count > 0 && String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self) == "READY=1")
        #expect(unsafe outrider_sd_notify("@otr-nobody-listens", "READY=1") == -ECONNREFUSED)
    }

    @Test func localSocketsKnowTheirPeerAndRefuseASecondServer() throws {
        let path = "/tmp/otr-\(getpid())-unix.sock"
        defer { unsafe unlink(path) }
        let listener = unsafe outrider_unix_listen(path, 4, 0o660, -1)
        try #require(listener >= 0)
        #expect(unsafe outrider_unix_listen(path, 4, 0o660, -1) == -EADDRINUSE)
        var status = stat()
        #expect(unsafe stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o660)
        let client = unsafe outrider_unix_connect(path)
        try #require(client >= 0)
        let server = outrider_unix_accept(listener)
        var pid: Int32 = 0
        var user: UInt32 = 1
        var group: UInt32 = 1
        #expect(unsafe outrider_peer_credentials(server, &pid, &user, &group) == 0)
        #expect(pid == getpid() && user == getuid() && group == getgid())
        for descriptor in [client, server, listener] { close(descriptor) }
        // The file of a server that is gone is replaced.
        let next = unsafe outrider_unix_listen(path, 4, 0o600, -1)
        #expect(next >= 0)
        close(next)
    }

    @Test func onlyOneHoldsTheLock() throws {
        let path = "/tmp/otr-\(getpid())-lock"
        defer { unsafe unlink(path) }
        let first = unsafe open(path, O_RDWR | O_CREAT, 0o600)
        let second = unsafe open(path, O_RDWR, 0o600)
        #expect(outrider_lock_exclusive(first) == 0)
        #expect(outrider_lock_exclusive(second) == -EWOULDBLOCK)
        close(first)
        #expect(outrider_lock_exclusive(second) == 0)
        close(second)
    }
}
