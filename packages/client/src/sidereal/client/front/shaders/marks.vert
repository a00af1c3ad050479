#version 330
// One symbol per instance: a quad around it, turned to its heading.
uniform vec2 origin;
uniform vec2 size;
in vec2 in_corner;
in vec2 in_at;
in vec4 in_look;      // heading, half size in pixels, shape, width of the outline
in vec4 in_fill;
in vec4 in_line;
out vec2 place;       // pixels from the symbol's middle, before turning
flat out float reach;
flat out int shape;
flat out float outline;
flat out vec4 fill;
flat out vec4 line;

void main() {
    reach = in_look.y;
    shape = int(in_look.z + 0.5);
    outline = in_look.w;
    fill = in_fill;
    line = in_line;
    // No wider than the smoothed edge: software GL pays for every pixel of the quad.
    place = (in_corner * 2.0 - 1.0) * (reach + 0.5 * outline + 0.6);
    float c = cos(in_look.x);
    float s = sin(in_look.x);
    vec2 turned = vec2(c * place.x - s * place.y, s * place.x + c * place.y);
    gl_Position = vec4((in_at + turned + origin) / size * 2.0 - 1.0, 0.0, 1.0);
}
