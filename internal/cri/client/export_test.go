package client

import "time"

// Within has every call that is bounded end in d.
func (c *Client) Within(d time.Duration) *Client {
	c.within = timeouts{d, d, d}
	return c
}
