package config

import "strconv"

// Gateway bounds what clients of the gateway may cost.
type Gateway struct {
	Connections int    `mapstructure:"connections"`  // of all users
	PerUser     int    `mapstructure:"per_user"`     // connections of one
	PerRoom     int    `mapstructure:"per_room"`     // clients in one room
	Rooms       int    `mapstructure:"rooms"`        // that one connection may be in
	Message     string `mapstructure:"message"`      // size of one frame from a client
	PerSecond   int    `mapstructure:"per_second"`   // frames from a client in the long run
	Burst       int    `mapstructure:"burst"`        // frames from a client at once
	QueueFrames int    `mapstructure:"queue_frames"` // that wait for one client
	QueueSize   string `mapstructure:"queue_size"`
	RingFrames  int    `mapstructure:"ring_frames"` // that one room remembers
	RingSize    string `mapstructure:"ring_size"`
}

func defaultGateway() Gateway {
	return Gateway{
		Connections: 256, PerUser: 128, PerRoom: 128, Rooms: 64, Message: "32KiB", PerSecond: 50, Burst: 100,
		QueueFrames: 256, QueueSize: "1MiB", RingFrames: 1024, RingSize: "4MiB",
	}
}

// Bounds of the gateway's settings: a client takes about 36 KiB beside its queue.
const (
	maxClients   = 10_000
	maxFrames    = 65_536
	minFrameSize = 1 << 10
	maxFrameSize = 1 << 20
	minQueueSize = 64 << 10
	maxQueueSize = 64 << 20
)

func gatewayKeys() []Key {
	count := func(name, about string, lo, hi int64, of func(*Gateway) int) Key {
		return Key{"gateway." + name, about, integer(lo, hi), func(c *Config) string { return strconv.Itoa(of(&c.Gateway)) }}
	}
	bytes := func(name, about string, lo, hi int64, of func(*Gateway) string) Key {
		return Key{"gateway." + name, about, size(lo, hi), func(c *Config) string { return of(&c.Gateway) }}
	}
	return []Key{
		count("connections", "Clients of the gateway at a time.", 1, maxClients, func(g *Gateway) int { return g.Connections }),
		count("per_user", "Clients of the gateway that one user may have.", 1, maxClients, func(g *Gateway) int { return g.PerUser }),
		count("per_room", "Clients that may look at one workspace.", 1, maxClients, func(g *Gateway) int { return g.PerRoom }),
		count("rooms", "Workspaces that one client may look at over one connection.", 1, maxClients, func(g *Gateway) int { return g.Rooms }),
		bytes("message", "Size of one frame from a client.", minFrameSize, maxFrameSize, func(g *Gateway) string { return g.Message }),
		count("per_second", "Frames that a client may send in a second, in the long run.", 1, maxFrames, func(g *Gateway) int { return g.PerSecond }),
		count("burst", "Frames that a client may send at once.", 1, maxFrames, func(g *Gateway) int { return g.Burst }),
		count("queue_frames", "Frames that may wait for a client before it is told to start over.", 16, maxFrames, func(g *Gateway) int { return g.QueueFrames }),
		bytes("queue_size", "Size of those.", minQueueSize, maxQueueSize, func(g *Gateway) string { return g.QueueSize }),
		count("ring_frames", "Frames of a workspace that are remembered for those who come back.", 16, maxFrames, func(g *Gateway) int { return g.RingFrames }),
		bytes("ring_size", "Size of those.", minQueueSize, maxQueueSize, func(g *Gateway) string { return g.RingSize }),
	}
}
