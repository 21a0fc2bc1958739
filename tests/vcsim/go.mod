// Our images as VMware's own Go library sees them. A module of its own: nothing of ours that ships is written in Go.
module eyot/tests/vcsim

go 1.24.13

require github.com/vmware/govmomi v0.53.1

require (
	github.com/a8m/tree v0.0.0-20240104212747-2c8764a5f17e // indirect
	github.com/dougm/pretty v0.0.0-20160325215624-add1dbc86daf // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/kr/text v0.2.0 // indirect
	github.com/rogpeppe/go-internal v1.13.1 // indirect
	golang.org/x/text v0.34.0 // indirect
)
